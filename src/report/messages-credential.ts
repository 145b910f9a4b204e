import type { PasswordFault } from '../model/credential.ts';
import type { BearerHint } from '../model/forensics.ts';
import type { WordTable } from './words.ts';

type CredentialCode =
  | 'bearer-malformed'
  | 'bearer-costly'
  | 'bearer-drift'
  | 'password-drift'
  | 'username-drift'
  | 'pair-mismatch'
  | 'other-lineage'
  | 'password-too-long'
  | 'password-unusable'
  | 'password-weak'
  | 'secret-key-weak'
  | 'credential-unknown';

/** How a bearer came to be no bcrypt hash. */
export const BEARER_DAMAGE: Readonly<Record<BearerHint, string>> = {
  truncated: 'its end is missing',
  'doubled-character': 'one character stands twice',
  interpolated: 'Compose took "$…" out of it, from an unquoted or double-quoted value',
  'shell-expanded': 'a shell took "$…" out of it, from double quotes',
  'dollar-doubled': 'every "$" stands twice, as "docker compose config" prints it',
  quoted: 'quotes became part of it',
  prefixed: 'a prefix such as "Bearer" became part of it',
  'white-space': 'blanks or a line end became part of it',
  bom: 'a byte order mark became part of it',
  'key-repeated': '"KEY=" became part of it',
  other: 'no known bearer explains it',
};

/** Why a password cannot be used, behind its name. */
export const PASSWORD_FAULTS: Readonly<Record<PasswordFault, string>> = {
  'too-long': 'has more than 72 bytes: bcrypt looks at no more',
  empty: 'is empty',
  'blank-at-an-end': 'begins or ends with white space',
  'control-character': 'holds a line end or a NUL',
  'lone-surrogate': 'is not well-formed Unicode',
};

const said = (words: Readonly<Record<string, string>>, code: unknown): string =>
  words[String(code)] ?? String(code);

/** The words of findings about the credential itself. */
export const credentialWords: WordTable<CredentialCode> = {
  'bearer-malformed': ({ path, args, service, root }) => ({
    message: `the bearer in ${path} is no bcrypt hash: ${args.length} characters, 60 expected; ${said(BEARER_DAMAGE, args.hint)}`,
    remedy: `comfyui-auth sync${root}${service}`,
  }),
  'bearer-costly': ({ path, args, service, root }) => ({
    message: `the bearer in ${path} has bcrypt cost ${args.cost}: comparing with it takes from half a minute to days, so nothing was compared`,
    remedy: `comfyui-auth sync${root}${service} --password-file FILE   # FILE holds the password to keep`,
  }),
  'bearer-drift': ({ path, args, service, root }) => ({
    message: `the bearer in ${path} is ${args.found}, expected ${args.expected}`,
    remedy: `comfyui-auth sync${root}${service}`,
  }),
  'password-drift': ({ path, args, service, root }) =>
    args.disputed === true
      ? {
          message: `the password in ${path} is another one than elsewhere, and nobody said which one to keep`,
          remedy: `comfyui-auth sync${root}${service} --password-file FILE   # FILE holds the one to keep`,
        }
      : {
          message: `the password in ${path} is not the expected one`,
          remedy: `comfyui-auth sync${root}${service}`,
        },
  'username-drift': ({ path, service, root }) => ({
    message: `the user name in ${path} is not the expected one`,
    remedy: `comfyui-auth sync${root}${service}`,
  }),
  'pair-mismatch': ({ path, service, root }) => ({
    message: `the bearer is not the hash of the password (${path}): the API or the login form will refuse`,
    remedy: `comfyui-auth sync${root}${service} --password-file FILE   # FILE holds the password to keep`,
  }),
  'other-lineage': ({ path, args, service, root }) => ({
    message: `the bearer in ${path} belongs to another password: the one in ${args.verifies} opens it`,
    remedy: `comfyui-auth sync${root}${service} --password-file FILE   # FILE holds the password to keep`,
  }),
  'password-too-long': ({ path, service, root }) => ({
    message: `the password in ${path} has more than 72 bytes: bcrypt cuts it or refuses it`,
    remedy: `comfyui-auth sync${root}${service} --password-file FILE   # FILE holds a shorter one`,
  }),
  'password-unusable': ({ path, args, service, root }) => ({
    message: `the password in ${path} cannot be used: it ${said(PASSWORD_FAULTS, args.fault)}`,
    remedy: `comfyui-auth sync${root}${service} --password-file FILE   # FILE holds another one`,
  }),
  'password-weak': ({ service, root }) => ({
    message: 'the password has fewer than 8 characters',
    remedy: `comfyui-auth sync${root}${service} --password-file FILE   # FILE holds a longer one`,
  }),
  'secret-key-weak': ({ args }) => ({
    message: `${args.name} is ${args.reason === 'short' ? 'shorter than 32 bytes' : 'a placeholder'}: it is not used, and a new bearer is random`,
    remedy: `set ${args.name} to the output of: openssl rand -hex 32`,
  }),
  'credential-unknown': ({ kind, path, service, root }) =>
    kind === 'server'
      ? {
          message: `there is no bearer to ask ${path} with: none was handed in, and the files hold none that fits`,
          remedy: `comfyui-auth audit${root}${service}   # says what they hold; or hand one in with --bearer-file FILE`,
        }
      : {
          message: `no secret was handed in, and ${path} holds none`,
          remedy: `comfyui-auth sync${root}${service} --password-file FILE`,
        },
};
