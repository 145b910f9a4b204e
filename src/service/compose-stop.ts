import type { Bounds } from './bounded.ts';
import type { ComposeProgram } from './compose-program.ts';
import type { Container } from './container.ts';
import type { Docker } from './docker.ts';

/** One container can come up while another is ended; whoever does not end in so many rounds is not ended by us. */
const STOP_ROUNDS = 3;
const STOP_MS = 20_000;

/** One program that hangs takes no more than this part of the time: the others may still reach the service. */
const SHARE = 5;

/** The containers of a service that are to end. */
export interface Ending {
  compose: ComposeProgram;
  docker: Docker;
  service: string;
  /** Every container that was ever seen to be the service's. */
  known: ReadonlySet<string>;
  /** Whether these are all: nothing was begun since they were listed. */
  isWhole: boolean;
}

const hasEnded = ({ status }: Container) => status === 'exited' || status === 'dead' || status === 'created';

const idsOf = (containers: readonly Container[]) => containers.map(({ id }) => id);

/** Ends what runs by its ids alone: a question about it that hangs, or fails, would let it serve on. */
async function killUnasked({ compose, docker }: Ending, bounds: Bounds): Promise<void> {
  const running = await compose.running(bounds);
  await (running === undefined ? compose.kill(bounds) : docker.kill(running, bounds));
}

/** One attempt to end all containers of the service; gives whether all of them have ended for good. */
async function tryToEnd(ending: Ending, bounds: Bounds): Promise<boolean> {
  const { compose, docker, service, known, isWhole } = ending;
  await killUnasked(ending, bounds);
  const listed = await compose.listed(bounds);
  // Compose may look into another project: what was known is asked for, whatever it lists.
  const found = await docker.look([...new Set([...known, ...(listed ?? [])])], service, bounds);
  if (found === undefined) return false;
  const awake = found.filter((one) => !hasEnded(one));
  await docker.kill(idsOf(awake), bounds);
  const forbidden = await docker.forbidRestart(idsOf(found), bounds);
  const rest = awake.length === 0 ? found : await docker.look(idsOf(found), service, bounds);
  const isAll = listed !== undefined || (isWhole && known.size > 0);
  return isAll && forbidden && rest?.every(hasEnded) === true;
}

/** Does as `stop` of a driver says. One round that fails is no reason to give up: the next may get further. */
export async function endContainers(
  ending: Ending,
  timeoutMs: number,
  cut: AbortSignal | undefined,
): Promise<boolean> {
  const wholeMs = Math.min(timeoutMs, STOP_MS);
  const late = new AbortController();
  const abort = () => late.abort();
  const timer = setTimeout(abort, wholeMs);
  cut?.addEventListener('abort', abort, { once: true });
  if (cut?.aborted) abort();
  const { signal } = late;
  const bounds = { signal, timeoutMs: wholeMs / SHARE };
  try {
    // What is known is ended before anything is asked: each question costs the start of a program.
    await ending.docker.kill([...ending.known], bounds);
    for (let round = 0; round < STOP_ROUNDS && !signal.aborted; round++) {
      if (await tryToEnd(ending, bounds)) return true;
    }
  } catch {
    // No time left: then nothing is certain.
  } finally {
    clearTimeout(timer);
    cut?.removeEventListener('abort', abort);
  }
  return false;
}
