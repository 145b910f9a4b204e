import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { parse } from 'dotenv';
import { type EnvReader, readersFor } from '../../../src/env-file/readers/index.ts';
import type { ReaderName } from '../../../src/model/layout.ts';
import { type Answer, ask, run, source, works } from './oracles.ts';
import { KEYS } from './texts.ts';

/** A real program, and the model that must read as it does. */
export interface Program {
  title: string;
  model: EnvReader;
  present: boolean;
  shell: boolean;
  read(texts: readonly string[]): Promise<Answer[]>;
}

const folder = mkdtempSync(join(tmpdir(), 'readers-oracle-'));
const hasGo = await works('go', ['version']);
const hasPython = await works('python', ['-c', 'import dotenv']);

/** Builds the Go programs that ask Compose's and docker's own parsers. */
export async function buildOracles(): Promise<void> {
  if (!hasGo) return;
  for (const part of ['present', 'early']) {
    await run(
      'go',
      ['build', '-o', join(folder, part), '.'],
      '',
      join(import.meta.dirname, 'go-oracle', part),
    );
  }
}

/** Takes away what `buildOracles` and this file made. */
export function removeOracles(): void {
  rmSync(folder, { recursive: true, force: true });
}

function model(name: ReaderName, id: string): EnvReader {
  const found = readersFor({ name }).find((reader) => reader.id === id);
  if (found === undefined) throw new Error(`there is no model ${id}`);
  return found;
}

const node = process.versions.node.startsWith('20.') ? 'node 20' : 'node 22+';

function inProcess(name: ReaderName, id: string, parser: (text: string) => NodeJS.Dict<string>): Program {
  const read = (text: string) => new Map(Object.entries(parser(text)) as [string, string][]);
  return {
    title: id,
    model: model(name, id),
    present: true,
    shell: false,
    read: async (texts) => texts.map(read),
  };
}

function go(part: string, name: ReaderName, id: string): Program {
  const read = (texts: readonly string[]) => ask(join(folder, part), [], texts, id);
  return { title: `${id} (Go)`, model: model(name, id), present: hasGo, shell: false, read };
}

async function shell(name: string): Promise<Program> {
  return {
    title: name,
    model: model('posix', 'posix'),
    present: await works(`/usr/bin/${name}`, ['-c', ':']),
    shell: true,
    read: (texts) => source(`/usr/bin/${name}`, texts, KEYS),
  };
}

export const programs: Program[] = [
  inProcess('dotenv', 'dotenv 16+', parse),
  inProcess('node', node, parseEnv),
  {
    title: 'python-dotenv',
    model: model('python-dotenv', 'python-dotenv 0.21+'),
    present: hasPython,
    shell: false,
    read: (texts) => ask('python', [join(import.meta.dirname, 'oracle.py')], texts),
  },
  go('present', 'compose', 'compose 2.24+'),
  go('present', 'compose', 'compose 2.20 to 2.23'),
  go('early', 'compose', 'compose 2.10 to 2.19'),
  go('early', 'compose', 'compose 2.2 to 2.9'),
  go('present', 'docker-run', 'docker-run 20+'),
  await shell('bash'),
  await shell('dash'),
];
