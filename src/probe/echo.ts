import type { Credential } from '../model/credential.ts';
import { MASK } from '../model/secret.ts';
import { derivedForms } from '../platform/redact.ts';
import type { ProbeFinding } from './check.ts';

/**
 * A server can put what it was sent into what it answers, and a finding repeats some of that: the host of a redirect,
 * an origin. Gives a finding's arguments without those that hold a part of the credential, in whatever case: a URL
 * makes the letters of a host small.
 */
export function withoutEcho({ bearer, password }: Credential): (finding: ProbeFinding) => ProbeFinding {
  const secrets = password === undefined ? [bearer] : [bearer, password];
  const forms = secrets.flatMap(derivedForms).map((form) => form.toLowerCase());
  const echoes = (value: unknown) =>
    typeof value === 'string' && forms.some((form) => value.toLowerCase().includes(form));
  return ({ code, args }) => ({
    code,
    args: Object.fromEntries(
      Object.entries(args).map(([name, value]) => [name, echoes(value) ? MASK : value]),
    ),
  });
}
