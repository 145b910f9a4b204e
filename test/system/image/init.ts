import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLI } from '../../process/deployment.ts';
import { cheapHash, Deployment, freshPassword } from '../../process/entrypoint-harness.ts';
import { requires } from '../capability.ts';
import { onPath } from '../docker/engine.ts';

const runs = (program: string) => spawnSync(program, ['--version']).status === 0;

/** Whether tests with tini must be skipped. */
export const withoutTini = () => requires('tini', runs('tini'));

/** The entrypoint under `tini -s`, as the image has it, and all that it said. */
export class Init {
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<number | null>;
  output = '';

  constructor(deployment: Deployment, args: string[], env: Record<string, string> = {}) {
    const words = ['-s', '--', process.execPath, ...deployment.argv(...args)];
    this.process = spawn(onPath('tini'), words, { env: deployment.env(env) });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString('utf8');
      });
    }
    this.ended = once(this.process, 'close').then(([code]) => code as number | null);
  }

  /** Ends what a failed test left running: in no container, nothing else would. */
  remove(): void {
    const tree = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap((child) => tree(child.pid))];
    if (this.process.exitCode !== null || this.process.pid === undefined) return;
    for (const pid of tree(this.process.pid)) process.kill(pid, 'SIGKILL');
  }

  /** Waits until a pattern shows up; rejects with all that was said where it ends first. */
  said(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (pattern.test(this.output)) resolve();
      };
      for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', look);
      void this.ended.then(() => reject(new Error(`ended before ${pattern}:\n${this.output}`)));
      look();
    });
  }
}

/** A ComfyUI folder with a credential in it, whose Python answers the questions before the start at once. */
export async function quickDeployment(): Promise<Deployment> {
  const deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
  const [answer, node] = [
    join(deployment.folder, 'answer'),
    `'${process.execPath}' '${CLI}' stand-in-python`,
  ];
  // The answer is always the same one: Node is started for the first of them only.
  const ask = `[ -s '${answer}' ] || ${node} "$@" > '${answer}.new' && mv '${answer}.new' '${answer}'`;
  deployment.setPython(
    `case "$*" in *main.py*) exec ${node} "$@";; esac\n[ -s '${answer}' ] || { ${ask}; } && cat '${answer}'`,
  );
  return deployment;
}

/** What /proc says of a process. */
export interface ProcessFacts {
  pid: number;
  state: string;
  parent: number;
  group: number;
  session: number;
}

/** The facts of a process; undefined where it is gone. */
export function factsOf(pid: number): ProcessFacts | undefined {
  const path = `/proc/${pid}/stat`;
  try {
    const [state = '', parent, group, session] = readFileSync(path, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { pid, state, parent: Number(parent), group: Number(group), session: Number(session) };
  } catch {
    return undefined;
  }
}

/** The children of a process, those included that have ended and that nobody has waited for. */
export function childrenOf(pid: number): ProcessFacts[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => factsOf(Number(name)) ?? []).filter(({ parent }) => parent === pid);
}

/** Whether a process is there, and has not ended. */
export const lives = (pid: number) => existsSync(`/proc/${pid}`) && factsOf(pid)?.state !== 'Z';
