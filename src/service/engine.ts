import { Exit, Failure } from '../model/failure.ts';
import type { ProcessPort } from '../platform/process.ts';
import { runBounded } from './bounded.ts';

/** Why no Docker Engine answers. */
export type EngineReason = 'docker-missing' | 'permission' | 'no-answer' | 'timeout';

export type EngineState = { ok: true; version: string } | { ok: false; reason: EngineReason };

/** A question to the engine takes a tenth of a second; on a machine that swaps, some. */
export const QUESTION_MS = 15_000;

const WORDS: Readonly<Record<EngineReason, { why: string; remedy: string }>> = {
  'docker-missing': {
    why: 'docker is not on PATH',
    remedy: 'install the docker command, or put its folder on PATH',
  },
  permission: {
    why: 'this user may not speak to it',
    remedy: 'run this as root, or as a member of the group docker',
  },
  'no-answer': {
    why: 'nothing answers where docker looks for it',
    remedy: 'docker version   # starts to answer when the engine runs',
  },
  timeout: {
    why: 'it does not answer in time',
    remedy: 'docker version   # starts to answer when the engine runs',
  },
};

/** Whether a Docker Engine answers to this environment, and if not, why. Rejects only where the signal is aborted. */
export async function engineState(
  process: ProcessPort,
  env: NodeJS.ProcessEnv,
  timeoutMs = QUESTION_MS,
  signal?: AbortSignal,
): Promise<EngineState> {
  const asked = ['version', '--format', '{{.Server.Version}}'];
  const options = { env, timeoutMs, ...(signal !== undefined && { signal }) };
  const { code, stdout, stderr, failure } = await runBounded(process, 'docker', asked, options);
  if (code === 0) return { ok: true, version: stdout.trim() };
  if (failure === 'timeout') return { ok: false, reason: 'timeout' };
  if (code === null && failure !== undefined && /^E[A-Z]+$/.test(failure)) {
    return { ok: false, reason: 'docker-missing' };
  }
  return { ok: false, reason: /permission denied/i.test(stderr) ? 'permission' : 'no-answer' };
}

/** The failure that a missing engine is for everything that needs one. */
export function engineUnreachable(reason: EngineReason): Failure {
  const { why, remedy } = WORDS[reason];
  const message = `no Docker Engine answers: ${why}`;
  return new Failure({ code: 'engine-unreachable', exit: Exit.unknown, message, remedy });
}
