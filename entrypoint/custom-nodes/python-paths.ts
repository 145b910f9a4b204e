import type { Owner } from '../../src/model/layout.ts';
import { accounts } from '../child-environment.ts';

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

/** The home folder of the first account that fits. */
const homeOf = (fits: (fields: string[]) => boolean): string | undefined => accounts().find(fits)?.[5];
