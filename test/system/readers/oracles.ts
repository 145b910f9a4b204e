import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a real program made of a text: its variables, or undefined where it gave up. */
export type Answer = Map<string, string> | undefined;

/** Runs a program to its end and gives its stdout; throws where it fails. Bounded in time. */
export function run(command: string, args: string[], input = '', cwd?: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, timeout: 300_000, stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out));
      else
        reject(new Error(`${command} ended with ${code}: ${Buffer.concat(err).toString().slice(0, 2000)}`));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Whether a program can be started and ends well. */
export async function works(command: string, args: string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

/** Asks an oracle that answers one JSON line for each JSON line. */
export async function ask(
  command: string,
  args: string[],
  texts: readonly string[],
  reader = '',
): Promise<Answer[]> {
  const questions = texts.map((text) =>
    JSON.stringify({ reader, text: Buffer.from(text).toString('base64') }),
  );
  const answers = (await run(command, args, `${questions.join('\n')}\n`)).toString().trimEnd().split('\n');
  return answers.map((line) => {
    const answer: { ok: boolean; values: Record<string, string> } = JSON.parse(line);
    if (!answer.ok) return undefined;
    return new Map(Object.entries(answer.values).map(([key, value]) => [plain(key), plain(value)]));
  });
}

function plain(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}

/**
 * Sources each text in a subshell with an empty environment, no programs on the path, in a folder of its own, and
 * tells which of the keys are set to what. A shell that gives up tells nothing.
 */
export async function source(
  shell: string,
  texts: readonly string[],
  keys: readonly string[],
): Promise<Answer[]> {
  const folder = await mkdtemp(join(tmpdir(), 'readers-shell-'));
  try {
    await Promise.all(texts.map((text, index) => writeFile(join(folder, `f${index}`), text)));
    const tell = keys.map((key) => `[ "\${${key}+x}" ] && printf '${key}=%s\\0' "$${key}"`).join('\n');
    const script = `ulimit -t 120 -f 64\nPATH=\ni=0\nwhile [ $i -lt ${texts.length} ]; do
      printf 'file %s\\0' $i
      (set -a; . ./f$i >/dev/null 2>&1 </dev/null; set +a; { ${tell}\n:; }; printf 'end\\0') 2>/dev/null
      i=$((i+1))
    done\n:\n`;
    const out = await run('/usr/bin/env', ['-i', shell, '-c', script], '', folder);
    return answersOf(out.toString(), texts.length);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function answersOf(out: string, count: number): Answer[] {
  const answers = new Array<Answer>(count).fill(undefined);
  let index = -1;
  let values = new Map<string, string>();
  for (const record of out.split('\0')) {
    const file = /^file (\d+)$/.exec(record);
    if (file !== null) {
      index = Number(file[1]);
      values = new Map();
    } else if (record === 'end') answers[index] = values;
    else if (record !== '')
      values.set(record.slice(0, record.indexOf('=')), record.slice(record.indexOf('=') + 1));
  }
  return answers;
}
