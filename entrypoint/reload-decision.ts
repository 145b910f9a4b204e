import { verifies } from '../src/model/bcrypt.ts';
import type { Credential } from '../src/model/credential.ts';
import type { Secret } from '../src/model/secret.ts';
import { type BootCredential, type DeployedCredential, decideCredential } from './credential.ts';
import type { GivenCredential } from './settings.ts';

/** What a reload finds. */
export interface ReloadCase {
  given: GivenCredential;
  /** What PASSWORD holds. */
  deployed: DeployedCredential | undefined;
  /** What ComfyUI takes. */
  live: Credential;
  /** Whether PASSWORD can be written beside a running ComfyUI: then what is live counts where PASSWORD was lost. */
  restores: boolean;
}

/** Decides as a start would. bcrypt is computed only for pairs that are not known already. Throws a `Refusal`. */
export function decideReload({ given, deployed, live, restores }: ReloadCase): BootCredential {
  const opens = (password: Secret, bearer: Secret) =>
    live.password !== undefined && bearer.equals(live.bearer)
      ? password.equals(live.password)
      : verifies(password, bearer);
  const { password } = given;
  const isLost =
    deployed === undefined ||
    (password !== undefined && opens(password, live.bearer) && !opens(password, deployed.bearer));
  return decideCredential(given, restores && isLost ? live : deployed, opens);
}

/** Whether ComfyUI would notice no difference. */
export const isSame = (a: Credential, b: DeployedCredential): boolean =>
  a.bearer.equals(b.bearer) && a.username === b.username;

const PARTS = ['password', 'bearer', 'secretKey'] as const;

/** Whether the same was handed in. */
export function isSameGiven(a: GivenCredential, b: GivenCredential): boolean {
  const same = (part: (typeof PARTS)[number]) => {
    const [one, other] = [a[part], b[part]];
    return one === undefined || other === undefined ? one === other : one.equals(other);
  };
  return a.username === b.username && PARTS.every(same);
}
