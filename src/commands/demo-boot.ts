import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { readersFor } from '../env-file/readers/index.ts';
import { Exit, Failure } from '../model/failure.ts';
import { demoComfyUi, demoEnvFile } from './demo-tree.ts';

const PATIENCE_MS = 60_000;

/** A container that runs: here, the entrypoint as a process of its own. */
export interface Booted {
  /** From the start of the entrypoint to its `ready`. */
  readyAfterMs: number;
  /** Stops it as `docker stop` does; gives its exit code. */
  stop(): Promise<number | null>;
}

/** A port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** What Compose would put into the container's environment from the `.env`. */
function containerEnvironment(root: string): Record<string, string> {
  const [compose] = readersFor({ name: 'compose' });
  const outcome = compose?.read(readFileSync(demoEnvFile(root), 'utf8'));
  if (outcome === undefined || !outcome.ok) return {};
  return Object.fromEntries([...outcome.values].map(([key, { value }]) => [key, value]));
}

/**
 * Boots the deployment through the entrypoint and waits for its `ready`. Throws a Failure (exit 5) with the
 * entrypoint's own last words, which are redacted, where it ends or says nothing.
 */
export async function bootDemo(
  root: string,
  entrypoint: string,
  runDir: string,
  signal?: AbortSignal,
): Promise<Booted> {
  const start = performance.now();
  const child = spawn(process.execPath, [entrypoint, 'run'], {
    env: {
      PATH: process.env.PATH,
      ...containerEnvironment(root),
      COMFYUI_DIR: demoComfyUi(root),
      COMFYUI_ARGS: '--listen 127.0.0.1',
      VERIFY_TIMEOUT: `${PATIENCE_MS / 1000}s`,
      RUN_DIR: runDir,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = () => void child.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  process.once('exit', stop);
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const heard: string[] = [];
  const ready = new Promise<boolean>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        heard.push(line);
        if (line.startsWith('ready')) resolve(true);
      });
    }
    void ended.then(() => resolve(false));
  });
  // The bound is the entrypoint's own; it ends by itself where no proof comes.
  if (!(await ready)) {
    throw new Failure({
      code: 'boot-failed',
      exit: Exit.rolledBack,
      message: `the entrypoint ended before it was ready: ${heard.slice(-3).join(' | ')}`,
      remedy: 'run the demonstration again; if it stays so, report these lines',
    });
  }
  return {
    readyAfterMs: performance.now() - start,
    async stop() {
      stop();
      const code = await ended;
      process.off('exit', stop);
      return code;
    },
  };
}
