import { expect, test } from 'vitest';
import { ContainerExit } from '../../../entrypoint/exit.ts';
import { mayFollow, type State } from '../../../entrypoint/states.ts';
import { ALIASES } from '../../../src/model/credential.ts';
import { entrypointSources, quoted, read, rows, section } from './source.ts';

const document = read('docs/entrypoint.md');
const variables = section(document, '## Variables');

/** A variable is read: `text(env, 'X')`, `duration(env, 'X', …)`, `env.X`. */
const READS = [
  /\b(?:text|textOrFile|flag|wholeNumber|duration|oneOf|words|readPath|existing)\(env, '(\w+)'/g,
  /\benv\.([A-Z]\w*)/g,
];
/** Its name travels as a text: two words in capitals or more, such as 'RUN_DIR'. */
const NAMES = /'(_*[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+_*)'/g;
/** What looks like one: two of shells, a file, and a word of the entrypoint to its own calls of Python. */
const OTHERS = ['PROMPT_COMMAND', 'LS_COLORS', 'GUEST_MODE', 'COMFYUI_AUTH_TORCH_STORE'];
/** Set for ComfyUI, never read. */
const SET = ['PYTHONUNBUFFERED'];

function variablesOfCode(): string[] {
  const found = entrypointSources().flatMap(({ text }) =>
    [...READS, NAMES].flatMap((pattern) => [...text.matchAll(pattern)].map(([, name = '']) => name)),
  );
  const plain = [...found, ...Object.keys(ALIASES), ...SET].filter((name) => !OTHERS.includes(name));
  return [...new Set(plain)].sort();
}

test('every variable that the entrypoint reads stands in the document, and no other', () => {
  const ofCode = variablesOfCode();
  expect(ofCode.length).toBeGreaterThan(40);
  const told = quoted(variables)
    .map((word) => word.replace(/=.*/, ''))
    .filter((word) => /^_*[A-Z][A-Z0-9_]+$/.test(word) || word in ALIASES);
  expect([...new Set(told)].sort()).toEqual(ofCode);
});

test('the rule of X_FILE is told', () => {
  expect(read('entrypoint/environment.ts')).toMatch(/\$\{name\}_FILE/);
  expect(section(document, '## The credential')).toContain('can be given as `X_FILE`');
});

test('every exit code has a row, and every row with a number is one of them', () => {
  const told = rows(section(document, '## Exit codes')).flatMap(([codes = '']) =>
    [...codes.matchAll(/\d+/g)].map(Number),
  );
  // 128 + n is ComfyUI's own.
  const own = told.filter((code) => code !== 128);
  expect(own.sort((a, b) => a - b)).toEqual(Object.values(ContainerExit).sort((a, b) => a - b));
});

const table = rows(section(document, '## States')).map(([state = '', , next = '']) => ({
  state,
  next: next.split(', ').filter((word) => word !== ''),
}));
const states = [...read('entrypoint/states.ts').matchAll(/^ {2}([A-Z]+): \[/gm)].map(
  ([, state = '']) => state,
);

test('every state has a row, and goes where the code lets it', () => {
  expect(table.map(({ state }) => state)).toEqual(states);
  for (const { state, next } of table) {
    // From everywhere: the picture says so.
    const others = states.filter((to) => to !== state && to !== 'STOPPING' && to !== 'EXIT');
    const follow = others.filter((to) => mayFollow(state as State, to as State));
    expect(next.sort(), state).toEqual(follow.sort());
  }
});

test('the picture shows every state', () => {
  const [, picture = ''] = /```text\n([\s\S]*?)```/.exec(section(document, '## States')) ?? [];
  expect(states.filter((state) => !new RegExp(`\\b${state}\\b`).test(picture))).toEqual([]);
});

test('the commands are those of the usage', () => {
  const [, text = ''] = /const USAGE = `([^`]*)`/.exec(read('entrypoint/main.ts')) ?? [];
  const usage = [...text.matchAll(/^ {2}([a-z][a-z-]+) /gm)].map(([, name]) => name);
  const intro = document.slice(0, document.indexOf('## States'));
  expect(rows(intro).map(([command = '']) => quoted(command)[0]?.split(' ')[0])).toEqual(usage);
});

test.each([
  ['STOP_GRACE', 'entrypoint/settings.ts', /'STOP_GRACE', (\d+)_?(\d*)/, (ms: number) => `${ms / 1000}s`],
  [
    'VERIFY_TIMEOUT',
    'entrypoint/settings.ts',
    /'VERIFY_TIMEOUT', (\d+)_(\d+)/,
    (ms: number) => `${ms / 1000}s`,
  ],
  [
    'VERIFY_INTERVAL',
    'entrypoint/settings.ts',
    /'VERIFY_INTERVAL', (\d+)_(\d+)/,
    (ms: number) => `${ms / 1000}s`,
  ],
  ['API_TIMEOUT', 'src/probe/gate.ts', /const TRY_MS = (\d+)_(\d+)/, (ms: number) => `${ms / 1000}s`],
  ['COMFYUI_PORT', 'entrypoint/settings.ts', /\?\? (81)(88)/, String],
])('the default of %s', (name, path, pattern, words) => {
  const [, high = '', low = ''] = pattern.exec(read(path)) ?? [];
  const row = rows(variables).find(([cell = '']) => quoted(cell).includes(name));
  expect(row?.[1]).toBe(`\`${words(Number(high + low))}\``);
});

test.each([
  ['RESTART_BUDGET', /'RESTART_BUDGET', '(\d+)'/, / in 10m$/],
  ['RESTART_BACKOFF', /'RESTART_BACKOFF', '([^']+)'/, /$/],
])('the default of %s', (name, pattern, end) => {
  const [, value = ''] = pattern.exec(read('entrypoint/settings.ts')) ?? [];
  const row = rows(variables).find(([cell = '']) => quoted(cell).includes(name));
  expect(quoted(row?.[1] ?? '')[0]?.replace(end, '')).toBe(value);
});

test('the time that a stop keeps for ComfyUI’s own end', () => {
  const [, ms = ''] = /const END_MS = (\d+);/.exec(read('entrypoint/stop.ts')) ?? [];
  expect(section(document, '## Stop and signals')).toContain(`${Number(ms) / 1000} s of the grace are kept`);
});
