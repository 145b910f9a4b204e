import { expect, test } from 'vitest';
import { entrypointSources, quoted, read, rows, section } from './source.ts';

/** One call of the log, as it is written. */
interface Call {
  path: string;
  level: string;
  /** The first argument: a quoted name, or an expression. */
  name: string;
  fields: string[];
}

/** Texts and templates become blanks of the same length, so that no bracket or comma in them counts. */
const withoutTexts = (code: string) =>
  code.replace(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, (text) => ' '.repeat(text.length));

/** The parts of a list that begins at `start`, up to the bracket that closes it. */
function parts(text: string, start: number): string[] {
  const code = text.slice(start);
  const found: string[] = [];
  let [depth, from] = [0, 0];
  for (const { 0: sign, index } of withoutTexts(code).matchAll(/[([{,)\]}]/g)) {
    if ('([{'.includes(sign)) depth++;
    else if (sign !== ',') depth--;
    if (depth > 0 || (depth === 0 && sign !== ',')) continue;
    found.push(code.slice(from, index).trim());
    from = index + 1;
    if (depth < 0) return found.filter((part) => part !== '');
  }
  throw new Error('a list that is never closed');
}

/** `{ a, b: 1, ...(c !== undefined && { c }) }`: a, b, c. `remaining(left)`: a function that makes that one field. */
function fieldsOf(text: string): string[] {
  if (!text.startsWith('{')) return [/^(\w+)\(/.exec(text)?.[1] ?? text];
  return parts(text, 1).flatMap((part) =>
    part.startsWith('...(')
      ? fieldsOf(part.slice(part.indexOf('{'), part.lastIndexOf('}') + 1))
      : [/^\w+/.exec(part)?.[0] ?? part],
  );
}

function callsIn({ path, text }: { path: string; text: string }): Call[] {
  return [...text.matchAll(/\blog\s*\.(info|warning|error)\(/g)].map((match) => {
    const [name = '', , fields = '{}'] = parts(text, match.index + match[0].length);
    return { path, level: match[1] ?? '', name, fields: fieldsOf(fields) };
  });
}

const calls = entrypointSources()
  .filter(({ path }) => path !== 'entrypoint/log.ts')
  .flatMap(callsIn);
const named = calls.filter(({ name }) => /^'[\w-]+'$/.test(name));

/** The names that are an expression, and what they come to. */
const BY_EXPRESSION: Record<string, string[]> = {
  "entrypoint/main.ts: exit === ContainerExit.open ? 'open' : 'refused'": ['open', 'refused'],
  // The one finding with which the proof still holds (src/probe/verdict.ts, `judgeSuffix`).
  'entrypoint/watch.ts: found.code': ['open-by-suffix'],
};

const document = read('docs/events.md');
const table = rows(section(document, '## All events')).map(([event = '', level = '', , fields = '']) => ({
  event: quoted(event)[0] ?? '',
  level,
  fields: quoted(fields),
}));

const key = ({ event, level }: { event: string; level: string }) => `${level} ${event}`;

/** The fields of each event, of all calls together. */
function eventsOfCode(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { path, level, name, fields } of calls) {
    for (const event of BY_EXPRESSION[`${path}: ${name}`] ?? [name.slice(1, -1)]) {
      const all = found.get(key({ event, level })) ?? new Set();
      found.set(key({ event, level }), new Set([...all, ...fields]));
    }
  }
  return found;
}

test('a name that is no plain text is one of those that are known', () => {
  const others = calls.filter((call) => !named.includes(call)).map(({ path, name }) => `${path}: ${name}`);
  expect(others.sort()).toEqual(Object.keys(BY_EXPRESSION).sort());
});

test('only open-by-suffix is a finding of a server that is proven', () => {
  const proved = [...read('src/probe/verdict.ts').matchAll(/fault\('\w+', 'proved', '([\w-]+)'/g)];
  expect(proved.map(([, code]) => code)).toEqual(BY_EXPRESSION['entrypoint/watch.ts: found.code']);
});

test('docs/events.md has every event of the code with its level, and no other', () => {
  const ofCode = [...eventsOfCode().keys()];
  expect(ofCode.length).toBeGreaterThan(30);
  expect(table.map(key).sort()).toEqual(ofCode.sort());
});

test('and the fields of each', () => {
  const ofCode = eventsOfCode();
  for (const row of table) {
    const fields = row.fields.filter((field) => !field.includes('.'));
    expect(fields.sort(), key(row)).toEqual([...(ofCode.get(key(row)) ?? [])].sort());
  }
});

test('the events that it says to wait for are events', () => {
  const waited = rows(section(document, '## What to wait for')).flatMap(([event = '']) => quoted(event));
  const names = new Set(table.map(({ event }) => event));
  expect(waited.filter((word) => !names.has(word))).toEqual(['serving at']);
});

test('the bound that it names is the one of the code', () => {
  const [, bound = ''] = /const MAX_TEXT = (\d+);/.exec(read('entrypoint/log.ts')) ?? [];
  expect(document).toContain(`at most ${bound} characters`);
});
