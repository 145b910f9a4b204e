import type { Credential } from '../src/model/credential.ts';
import { type LoginFiles, loginFiles, provisionPassword } from './password-file.ts';
import type { Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import { ownerOf } from './prepare.ts';
import { confirmSessionKey } from './session-key.ts';

/** PASSWORD beside a ComfyUI that goes on. */
export class LivePassword {
  readonly files: LoginFiles;
  readonly #plan: Plan;
  readonly #self: Ports['self'];
  readonly #keyPath: string | undefined;

  constructor(plan: Plan, keyPath: string | undefined, { self }: Ports) {
    this.files = loginFiles(plan.settings.comfyuiDir);
    this.#plan = plan;
    this.#self = self;
    this.#keyPath = keyPath;
  }

  /** Throws a `Refusal` where it cannot be written. */
  write(credential: Credential): void {
    const { settings } = this.#plan;
    provisionPassword(this.files, credential, ownerOf(settings, this.#self), settings.guests);
  }

  /** The sessions of before hold: a PASSWORD that is newer than their key would end them at the next start. */
  keepSessions(): void {
    if (this.#keyPath !== undefined) confirmSessionKey(this.#keyPath);
  }
}
