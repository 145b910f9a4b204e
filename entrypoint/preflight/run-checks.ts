import { Failure } from '../../src/model/failure.ts';
import { asRefusal, ContainerExit, Refusal } from '../exit.ts';
import {
  type Outcome,
  type PreflightCheck,
  type PreflightResult,
  type PreflightWorld,
  pass,
  unknown,
} from './check.ts';

/** A file system or a device that hangs holds up one check, not the boot. */
const BOUND_MS = 10_000;
/** What is asked of other parts bounds itself. */
const ADAPTED_BOUND_MS = 300_000;
const MAX_TEXT = 600;

/**
 * Runs checks side by side; gives their results in the order of the checks. Never rejects for what a check threw;
 * throws the signal's reason where it is aborted.
 */
export async function runChecks(
  checks: readonly PreflightCheck[],
  world: PreflightWorld,
): Promise<PreflightResult[]> {
  const { signal } = world;
  signal.throwIfAborted();
  let stop = () => {};
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([Promise.all(checks.map((check) => result(check, world))), stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function result(check: PreflightCheck, world: PreflightWorld): Promise<PreflightResult> {
  const { id, severity } = check;
  return { id, severity, ...cleaned(await bounded(check, world).catch(asOutcome), world.redact) };
}

async function bounded(check: PreflightCheck, world: PreflightWorld): Promise<Outcome> {
  const { boundMs = BOUND_MS } = check;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => resolve(unknown(`no answer within ${boundMs / 1000} s`)), boundMs);
  });
  try {
    return await Promise.race([check.run(world), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Node's own messages are not shown: they can hold more than a path. */
function asOutcome(error: unknown): Outcome {
  if (error instanceof Refusal || error instanceof Failure) {
    const { code, exit, message, remedy } = asRefusal(error);
    return { verdict: 'fail', message, remedy, exit, code };
  }
  const { name = 'Error', code = '' } = error as NodeJS.ErrnoException;
  return { verdict: 'unknown', message: `the check itself failed: ${name} ${code}`.trim() };
}

function cleaned(outcome: Outcome, redact: (text: string) => string): Outcome {
  const clean = (text: string) => {
    const line = redact(text)
      .replace(/\p{Cc}+/gu, ' ')
      .trim();
    return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line;
  };
  return {
    ...outcome,
    message: clean(outcome.message),
    ...(outcome.remedy !== undefined && { remedy: clean(outcome.remedy) }),
  };
}

/**
 * A check out of a function that refuses: the `Refusal` that it throws is the failure, the text that it gives is
 * what it found.
 */
export function asCheck(
  id: string,
  look: (world: PreflightWorld) => string | undefined | Promise<string | undefined>,
): PreflightCheck {
  return {
    id,
    severity: 'error',
    boundMs: ADAPTED_BOUND_MS,
    run: async (world) => pass((await look(world)) ?? 'as it should be'),
  };
}

const refuses = ({ severity, verdict }: PreflightResult) => severity === 'error' && verdict === 'fail';

/** Why the container does not start: the first `error` that failed. */
export function firstRefusal(results: readonly PreflightResult[]): Refusal | undefined {
  const found = results.find(refuses);
  if (found === undefined) return undefined;
  const { id, code = id, exit = ContainerExit.config, message, remedy = 'see docs/preflight.md' } = found;
  return new Refusal({ code, exit, message, remedy });
}
