import type { Owner } from '../../src/model/layout.ts';
import { readRegular } from '../../src/store/read-file.ts';

const MAX_PASSWD_BYTES = 1024 * 1024;

/** Whose paths are meant: the environment and the user of the process that expands them. */
export interface PathUser {
  env: NodeJS.ProcessEnv;
  owner: Owner;
}

/** A path as Python's `os.path.expandvars(os.path.expanduser(path))` gives it: what is unknown stays as it is. */
export function expandPath(path: string, { env, owner }: PathUser): string {
  const [, user, rest = ''] = /^~([^/]*)([\s\S]*)$/.exec(path) ?? [];
  const home =
    user === ''
      ? (env.HOME ?? homeOf((fields) => Number(fields[2]) === owner.uid))
      : user !== undefined
        ? homeOf((fields) => fields[0] === user)
        : undefined;
  const expanded = home === undefined ? path : `${home.replace(/\/+$/, '')}${rest}` || '/';
  return expanded.replace(/\$(\w+|\{[^}]*\})/g, (whole, name: string) => {
    return env[name.replace(/^\{|\}$/g, '')] ?? whole;
  });
}

/** The home folder of the first account in /etc/passwd that fits. */
function homeOf(fits: (fields: string[]) => boolean): string | undefined {
  const found = readRegular('/etc/passwd', { follow: true, maxBytes: MAX_PASSWD_BYTES });
  if (found.kind !== 'file') return undefined;
  const accounts = found.bytes.toString('utf8').split('\n');
  return accounts.map((line) => line.split(':')).find(fits)?.[5];
}
