import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ACTION, runBundle } from './deployment.ts';

interface Described {
  description: string;
  default?: string;
}
interface Typed {
  type: 'string' | 'boolean' | 'integer' | 'list' | 'enum';
  'allowed-values'?: string[];
}
interface Interface<T> {
  inputs: Record<string, T>;
  outputs: Record<string, T>;
}

const read = (name: string) => parse(readFileSync(resolve(import.meta.dirname, '..', '..', name), 'utf8'));
const action: Interface<Described> = read('action.yml');
const types: Interface<Typed> = read('action-types.yml');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-types-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each(['inputs', 'outputs'] as const)(
  'action.yml and action-types.yml name the same %s, in one order',
  (part) => {
    expect(Object.keys(types[part])).toEqual(Object.keys(action[part]));
  },
);

const inputs = Object.entries(action.inputs);
const typeOf = (name: string) => types.inputs[name] ?? { type: 'string' };

it.each(inputs)('%s has a default of its type', (name, input) => {
  const { type, 'allowed-values': allowed } = typeOf(name);
  if (input.default === undefined) return;
  if (type === 'enum') expect(allowed).toContain(input.default);
  if (type === 'boolean') expect(['true', 'false']).toContain(input.default);
  if (type === 'integer') expect(input.default).toMatch(/^\d+$/);
});

const choices = inputs.flatMap(([name]) =>
  (typeOf(name)['allowed-values'] ?? []).map((value) => [name, value] as const),
);

it.each(choices)('%s: the action takes, and names, %s', (name, value) => {
  expect(action.inputs[name]?.description).toContain(`\`${value}\``);
  const ran = runBundle(ACTION, [], {
    env: { [`INPUT_${name.toUpperCase()}`]: value, INPUT_ROOT: folder, RUNNER_TEMP: folder },
  });
  expect(ran.stdout).toContain('holds no deployment');
});

it.each([...new Set(choices.map(([name]) => name))])('%s: the action takes nothing else', (name) => {
  const ran = runBundle(ACTION, [], {
    env: { [`INPUT_${name.toUpperCase()}`]: 'other', INPUT_ROOT: folder, RUNNER_TEMP: folder },
  });
  expect(ran.stdout).toContain(`input "${name}"`);
});
