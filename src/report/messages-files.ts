import { shellWord } from './place.ts';
import type { WordContext, WordTable } from './words.ts';

type FileCode =
  | 'file-missing'
  | 'not-a-file'
  | 'file-unreadable'
  | 'mode-too-open'
  | 'owner-wrong'
  | 'owner-unknown'
  | 'tracked-by-git'
  | 'in-workspace'
  | 'backup-stale'
  | 'journal-pending'
  | 'env-file-rejected'
  | 'key-missing'
  | 'key-empty'
  | 'placeholder'
  | 'key-duplicated'
  | 'variable-unread'
  | 'env-shadowed'
  | 'value-mangled'
  | 'unspellable'
  | 'conf-malformed'
  | 'password-file-missing'
  | 'password-file-malformed'
  | 'guest-mode-on'
  | 'session-key-open'
  | 'legacy-password-file'
  | 'login-disabled';

/** Why a reader gives up on a file, or why no spelling suits it (codes of env-file/). */
const REASONS: Readonly<Record<string, string>> = {
  'not-unicode': 'it is not well-formed UTF-8',
  'nul-in-file': 'it contains a NUL',
  'unterminated-quote': 'a quote is never closed',
  'unterminated-above': 'the quote opened there has no certain end',
  'bad-key': 'what stands there is no KEY=VALUE',
  'bad-template': 'a "$" there begins no variable that it knows',
  'missing-key': 'a line has no key',
  'duplicate-key': 'a key stands twice',
  'line-too-long': 'a line is too long',
  'shell-syntax': 'it is no shell syntax',
  'runs-command': 'a shell would run a command there',
  nul: 'the value contains a NUL',
  'too-long': 'the value is 128 KiB or longer',
  'carriage-return': 'it changes or drops carriage returns',
  'line-break': 'it takes single lines only',
  'quotes-kept': 'it keeps the quotes that other readers need',
  'outer-quotes': 'the value begins and ends with the same quote',
  interpolation: 'it expands "$" and braces even in single quotes',
  backslash: 'readers disagree on the backslash',
  'quote-mix': 'readers know no common escape for the single quote beside other special characters',
  unspellable: 'readers know no common spelling',
  'not-read-back': 'it would not receive the value',
  'neighbour-changed': 'another key would read differently afterwards',
};

const reasonOf = (reason: unknown) => REASONS[String(reason)] ?? String(reason);

/** A reader as a sentence names it; `*` concerns all. */
const readerOf = (reader: unknown) => (reader === '*' ? 'every reader' : String(reader));

/** What is wrong with a PASSWORD file, and what follows from it (container.md §1, F4, F17). */
const PASSWORD_HINTS: Readonly<Record<string, string>> = {
  crlf: 'has Windows line ends: the bearer works, the login form never does',
  blank: 'has blanks at the end of a line: the bearer works, the login form never does',
  bom: 'begins with a byte order mark: neither the bearer nor the form can work',
  'no-username': 'has no user name in line 2: the next login without a name empties it, and opens the server',
  empty: 'has an empty first line: "?token=" without a value opens everything',
  'not-utf8': 'is not UTF-8: ComfyUI-Login fails to load, and the server runs open',
  'extra-lines': 'has more than two lines; ComfyUI-Login reads only these',
};

/** How a key gets its value: from the credential where it holds a part of it, in a `.env` else from a variable. */
function filled({ kind, args, service, root }: WordContext): string {
  const sync = `comfyui-auth sync${root}${service}`;
  if (args.given === false) return `${sync} --password-file FILE   # FILE holds the password`;
  if (kind !== 'env-file' || args.holds !== undefined) return sync;
  return `${sync} --variable ${args.key}   # with ${args.key} in the environment`;
}

/** The beginning of every line that sets a key, for sed: indented, exported, blanks before `=`. */
const lineOf = (key: unknown) => `^([[:space:]]*(export[[:space:]]+)?${key}[[:space:]]*=[[:blank:]]*)`;

/** The words of findings about files and what stands in them. */
export const fileWords: WordTable<FileCode> = {
  'file-missing': ({ path, service, root }) => ({
    message: `${path} is missing`,
    remedy: `comfyui-auth sync${root}${service}`,
  }),
  'not-a-file': ({ path, target, args, service, root }) => ({
    message: `${path} is ${args.what ?? 'no regular file'}; Docker makes a folder where the source of a file mount is missing`,
    remedy: `ls -ld ${target}   # then move it away and run comfyui-auth sync${root}${service}`,
  }),
  'file-unreadable': ({ path, target, args }) => ({
    message: `${path} cannot be read (${args.reason})`,
    remedy: `ls -l ${target}   # then run as a user that may read it`,
  }),
  'mode-too-open': ({ path, target, args }) => ({
    message: `${path} has mode ${args.mode}: other users of this host can read the secret`,
    remedy: `chmod go= ${target}`,
  }),
  'owner-wrong': ({ path, target, args }) => ({
    message: `${path} cannot be read by ComfyUI's user ${args.uid}:${args.gid} (it belongs to ${args.owner}): ComfyUI-Login fails to load, and the server runs open`,
    remedy: `chown ${args.uid}:${args.gid} ${target}`,
  }),
  'owner-unknown': ({ path, args }) => ({
    message: `${path} is readable by user ${args.owner} alone; whether ComfyUI runs as that user is not declared`,
    remedy: `add owner: "UID:GID" to the service in comfyui-auth.yml   # comfyui-auth init writes one`,
  }),
  'tracked-by-git': ({ path, folder }) => ({
    message: `${path} is tracked by git: the secret is in every clone`,
    remedy: `git -C ${folder} rm --cached ${shellWord(path)}   # ignore it, then choose a new password`,
  }),
  'in-workspace': ({ path }) => ({
    message: `${path} lies in the job's workspace: the next checkout deletes it where git ignores it`,
    remedy: 'keep the deployment outside GITHUB_WORKSPACE, and name it with "root"',
  }),
  'backup-stale': ({ path, target, args }) => ({
    message: `${path} is a backup with another bearer${args.found === undefined ? '' : ` (${args.found})`}; putting it back would break the service`,
    remedy: `rm ${target}`,
  }),
  'journal-pending': ({ args, root }) => ({
    message: `an interrupted "${args.command}" (${args.phase}) left ${args.files} file(s) to finish or put back`,
    remedy: `comfyui-auth sync${root}`,
  }),
  'env-file-rejected': ({ path, target, args, root }) => ({
    message: `${readerOf(args.reader)} refuses ${path}: ${reasonOf(args.reason)}`,
    remedy: `comfyui-auth explain ${target}${root}   # then mend the line by hand`,
  }),
  'key-missing': (context) => ({
    message: `${context.args.key} is missing in ${context.path}`,
    remedy: filled(context),
  }),
  'key-empty': (context) => ({
    message: `${context.args.key} has no value in ${context.path}`,
    remedy: filled(context),
  }),
  placeholder: (context) => ({
    message: `${context.args.key} in ${context.path} holds a placeholder`,
    remedy: filled(context),
  }),
  'key-duplicated': ({ path, args, service, root }) => ({
    message: `${args.key} stands ${args.count} times in ${path}; most readers take the last`,
    remedy: `comfyui-auth sync${root}${service}`,
  }),
  'variable-unread': ({ path, target, args }) => ({
    message: `nothing reads ${args.key} (${path}): setting it changes nothing`,
    remedy: `sed -i -E '/${lineOf(args.key)}/d' ${target}`,
  }),
  'env-shadowed': ({ path, args }) => ({
    message: `${args.key} is set differently in this shell: Compose would take that instead of ${path}`,
    remedy: `unset ${args.key}`,
  }),
  'value-mangled': ({ path, args, service, root }) => ({
    message:
      args.wrote === undefined
        ? `${args.reader} would not read ${args.key} in ${path} as it is meant`
        : `${args.reader} would hand over ${args.receives} of the ${args.wrote} characters of ${args.key} in ${path}`,
    remedy: `comfyui-auth sync${root}${service}`,
  }),
  unspellable: ({ path, args }) => ({
    message:
      `${args.key} cannot be written into ${path} so that ${readerOf(args.reader)} reads it as meant` +
      `${args.character === undefined ? '' : ` (because of ${args.character})`}: ${reasonOf(args.reason)}`,
    remedy: 'choose a password of A–Z a–z 0–9 - _, or take that reader out of "readers" in comfyui-auth.yml',
  }),
  'conf-malformed': ({ path, target }) => ({
    message: `${path} is no JSON object`,
    remedy: `mend it by hand, or move it away: mv ${target} ${target}.broken`,
  }),
  'password-file-missing': ({ path, service, root }) => ({
    message: `${path} is missing: the first visitor of /login chooses the password, and "?token=" opens everything`,
    remedy: `comfyui-auth sync${root}${service}`,
  }),
  'password-file-malformed': ({ kind, path, args, service, root }) =>
    kind === 'server'
      ? {
          message: `the PASSWORD file of ${path} ${PASSWORD_HINTS[String(args.hint)] ?? 'is malformed'}`,
          remedy: `comfyui-auth audit${root}${service}   # mend the login/PASSWORD that this server reads, then restart it`,
        }
      : {
          message: `${path} ${PASSWORD_HINTS[String(args.hint)] ?? 'is malformed'}`,
          remedy: `comfyui-auth sync${root}${service}`,
        },
  'guest-mode-on': ({ kind, path, target }) =>
    kind === 'server'
      ? {
          message: `${path} lets guests in: anyone may read everything and queue prompts`,
          remedy: `rm login/GUEST_MODE   # in the folder of this ComfyUI; then restart it`,
        }
      : {
          message: `${path} switches guest mode on: anyone may read everything and queue prompts`,
          remedy: `rm ${target}   # then restart ComfyUI`,
        },
  'session-key-open': ({ path, target }) => ({
    message: `${path} can be read by other users of this host: they can forge sessions`,
    remedy: `chmod go= ${target}`,
  }),
  'legacy-password-file': ({ path, target }) => ({
    message: `${path} is an old PASSWORD file: it replaces login/PASSWORD at the next start`,
    remedy: `rm ${target}`,
  }),
  'login-disabled': ({ path, target, args }) => ({
    message: `${args.key} in ${path} switches the login off`,
    remedy: `sed -i -E 's/${lineOf(args.key)}.*/\\1true/' ${target}`,
  }),
};
