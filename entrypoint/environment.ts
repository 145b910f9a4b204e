import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { parseSpan } from '../src/model/duration.ts';
import { readSecretText } from '../src/store/secret-file.ts';
import { ContainerExit, Refusal } from './exit.ts';

const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];

const wrong = (name: string, message: string, remedy: string) =>
  new Refusal({ code: 'setting-invalid', message: `${name} ${message}`, remedy });

/** The plain value of a variable; empty counts as unset. */
export function text(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : value;
}

/** `true`, `True`, `1`, `yes`, `on` and their opposites (domain.md §5); anything else is refused. */
export function flag(env: NodeJS.ProcessEnv, name: string, otherwise: boolean): boolean {
  const value = text(env, name)?.trim().toLowerCase();
  if (value === undefined || value === '') return otherwise;
  if (TRUE.includes(value)) return true;
  if (FALSE.includes(value)) return false;
  throw wrong(name, 'is neither true nor false', `set ${name}=true or ${name}=false`);
}

/** A whole number within bounds. */
export function wholeNumber(
  env: NodeJS.ProcessEnv,
  name: string,
  bounds: { min: number; max: number },
): number | undefined {
  const value = text(env, name)?.trim();
  if (value === undefined) return undefined;
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= bounds.min && number <= bounds.max) return number;
  throw wrong(
    name,
    `is no whole number from ${bounds.min} to ${bounds.max}`,
    `set ${name} to such a number, or leave it unset`,
  );
}

/** A span of time such as `900s`, `15m`, `500ms`; a bare number counts seconds. Gives milliseconds. */
export function duration(
  env: NodeJS.ProcessEnv,
  name: string,
  otherwiseMs: number,
  bounds: { minMs: number; maxMs: number },
): number {
  const value = text(env, name)?.trim();
  if (value === undefined) return otherwiseMs;
  const ms = parseSpan(value);
  if (ms !== undefined && ms >= bounds.minMs && ms <= bounds.maxMs) return ms;
  throw wrong(
    name,
    `is no span of time from ${bounds.minMs / 1000}s to ${bounds.maxMs / 1000}s`,
    `write it like 90s, 15m or 500ms`,
  );
}

/** One of a few words. */
export function oneOf<const W extends string>(
  env: NodeJS.ProcessEnv,
  name: string,
  words: readonly [W, ...W[]],
): W {
  const value = text(env, name);
  if (value === undefined) return words[0];
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw wrong(name, `is none of ${words.join(', ')}`, `set ${name} to one of these, or leave it unset`);
}

/**
 * A path that must be there where it is named; `off`: none. The image's own may be absent: this runs in other images,
 * too.
 */
export function existing(env: NodeJS.ProcessEnv, name: string, otherwise: string): string | undefined {
  const given = text(env, name);
  if (given === 'off') return undefined;
  if (given === undefined) return existsSync(otherwise) ? otherwise : undefined;
  if (isAbsolute(given) && existsSync(given)) return given;
  throw wrong(
    name,
    `names ${given}, which ${isAbsolute(given) ? 'is not there' : 'is no absolute path'}`,
    `correct ${name}, set it to off, or leave it unset for ${otherwise}`,
  );
}

/**
 * A variable that may also be handed in as a file, `X_FILE` (container.md §4): both set is refused, empty is
 * unset, one trailing newline is cut. A CR in the variable itself stays: it is diagnosed where the value is judged.
 */
export function textOrFile(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const direct = text(env, name);
  const path = text(env, `${name}_FILE`);
  if (direct !== undefined && path !== undefined) {
    throw new Refusal({
      code: 'set-twice',
      message: `${name} and ${name}_FILE are both set`,
      remedy: `remove one of the two from the container's environment`,
    });
  }
  const value = path === undefined ? direct?.replace(/\n$/, '') : readText(`${name}_FILE`, path);
  return value === '' ? undefined : value;
}

function readText(name: string, path: string): string {
  // Not repeated: a secret is easily written where the name of its file belongs.
  if (!isAbsolute(path))
    throw wrong(name, 'is no absolute path', 'name the file that holds the secret, from the root on');
  const found = readSecretText(path);
  if (found.ok) return found.text;
  const forbidden = found.why === 'forbidden';
  throw new Refusal({
    code: 'setting-invalid',
    ...(forbidden && { exit: ContainerExit.permission }),
    message: `${name} names ${path}, which ${found.words}`,
    remedy: forbidden
      ? 'mount it so that the container’s first process can read it'
      : 'mount the secret there, as a file of its own (Docker makes a folder of a missing one)',
  });
}
