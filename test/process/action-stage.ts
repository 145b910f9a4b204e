import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ACTION, cleanEnv } from './deployment.ts';

/** What came of one program of the action. */
export interface Acted {
  code: number | null;
  stdout: string;
  stderr: string;
  outputs: Record<string, string>;
  summary: string;
  /** stdout without the masks. */
  log: string;
  /** What the runner was told to mask. */
  masks: string[];
  // biome-ignore lint/suspicious/noExplicitAny: what the JSON holds is what each test asserts
  report: any;
}

/** A program of the action at work. */
export interface Acting {
  child: ChildProcess;
  /** Resolves as soon as stdout holds a text; fails where it ends without it. */
  heard(text: string | RegExp): Promise<void>;
  ended: Promise<Acted>;
}

type Values = Record<string, string>;

/** The pairs in a file of the runner. */
const pairsIn = (text: string): Values =>
  Object.fromEntries(
    [...text.matchAll(/^(\S+)<<(\S+)\n([\s\S]*?)\n?^\2$/gm)].map(([, name = '', , value = '']) => [
      name,
      value,
    ]),
  );

const isMask = (line: string) => line.startsWith('::add-mask::');

/** A runner, as far as one step of a job sees it. */
export class Runner {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-runner-')));
  readonly workspace = join(this.folder, 'workspace');
  /** What the step has told the program that comes after the job. */
  #state: Values = {};

  constructor() {
    mkdirSync(this.workspace);
  }

  /** Runs the step to its end: inputs as INPUT_… variables. */
  act(inputs: Values, env: Values = {}): Acted {
    return this.#finished('main', this.#run(this.environment('main', inputs, env)));
  }

  /** Runs what comes after the job, with what the step has told it. */
  post(inputs: Values, env: Values = {}): Acted {
    return this.#finished(
      'post',
      this.#run({ ...this.environment('post', inputs, env), ...this.#stateEnv() }),
    );
  }

  begin(inputs: Values, env: Values = {}): Acting {
    return this.#begin('main', this.environment('main', inputs, env));
  }

  beginPost(inputs: Values, env: Values = {}): Acting {
    return this.#begin('post', { ...this.environment('post', inputs, env), ...this.#stateEnv() });
  }

  environment(program: string, inputs: Values, env: Values): Values {
    for (const name of ['output', 'summary', 'state']) writeFileSync(this.#file(program, name), '');
    const named = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
    return cleanEnv({
      ...Object.fromEntries(named),
      GITHUB_OUTPUT: this.#file(program, 'output'),
      GITHUB_STEP_SUMMARY: this.#file(program, 'summary'),
      GITHUB_STATE: this.#file(program, 'state'),
      GITHUB_WORKSPACE: this.workspace,
      RUNNER_TEMP: this.folder,
      ...env,
    });
  }

  /** Everything that the runner keeps of the step. */
  kept(): string {
    const files = readdirSync(this.folder, { withFileTypes: true }).filter((one) => one.isFile());
    return files.map(({ name }) => readFileSync(join(this.folder, name), 'utf8')).join('\n');
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #file(program: string, name: string): string {
    return join(this.folder, `${program}-${name}`);
  }

  #stateEnv(): Values {
    return Object.fromEntries(Object.entries(this.#state).map(([name, value]) => [`STATE_${name}`, value]));
  }

  #run(env: Values): Pick<Acted, 'code' | 'stdout' | 'stderr'> {
    const { status, stdout, stderr } = spawnSync(process.execPath, [ACTION], {
      env,
      cwd: this.workspace,
      encoding: 'utf8',
      timeout: 55_000,
    });
    return { code: status, stdout, stderr };
  }

  #begin(program: string, env: Values): Acting {
    const child = spawn(process.execPath, [ACTION], { env, cwd: this.workspace });
    let [stdout, stderr] = ['', ''];
    const waiting = new Set<() => void>();
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      for (const look of waiting) look();
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const ended = once(child, 'close').then(([code]) =>
      this.#finished(program, { code: code as number | null, stdout, stderr }),
    );
    const heard = (text: string | RegExp) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (typeof text === 'string' ? stdout.includes(text) : text.test(stdout)) resolve();
        };
        waiting.add(look);
        look();
        ended.then(() => reject(new Error(`ended without ${text}: ${stdout}${stderr}`)), reject);
      });
    return { child, heard, ended };
  }

  #finished(program: string, ran: Pick<Acted, 'code' | 'stdout' | 'stderr'>): Acted {
    const file = (name: string) => {
      try {
        return readFileSync(this.#file(program, name), 'utf8');
      } catch {
        return '';
      }
    };
    if (program === 'main') this.#state = pairsIn(file('state'));
    const outputs = pairsIn(file('output'));
    const lines = ran.stdout.split('\n');
    return {
      ...ran,
      outputs,
      summary: file('summary'),
      log: lines.filter((line) => !isMask(line)).join('\n'),
      masks: lines.filter(isMask).map((line) => line.slice('::add-mask::'.length).replaceAll('%25', '%')),
      report: outputs.report ? JSON.parse(readFileSync(outputs.report, 'utf8')) : undefined,
    };
  }
}

/** Text with all that differs from run to run taken out, for a snapshot. `names`: what stands for which word. */
export function steady(text: string, names: Record<string, string>): string {
  let steady = text;
  for (const [word, value] of Object.entries(names)) steady = steady.replaceAll(value, word);
  return steady
    .replace(/\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}/g, 'BACKUP')
    .replace(/comfyui-auth-[0-9a-f]{16}\.json/g, 'REPORT.json')
    .replace(/\b[0-9a-f]{8}\b/g, 'FINGERPRINT')
    .replace(/\b\d+(?:\.\d+)? m?s\b/g, 'TIME');
}
