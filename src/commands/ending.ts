import type { ServiceLayout } from '../model/layout.ts';
import { checkRefusals } from '../probe/gate.ts';
import type { ServiceDriver } from '../service/driver.ts';
import { addressOf, type GateRequest } from './question.ts';
import type { World } from './world.ts';

/** A service that can be ended. */
interface Endable {
  service: ServiceLayout;
  driver: ServiceDriver;
  /** Ends the whole command. */
  signal?: AbortSignal | undefined;
}

/** How long a stop may go on when the command itself is ended: it has two seconds in all. */
const LAST_MOMENT_MS = 1_000;

/** What still answers to somebody without a credential was not ended, whatever its driver says. */
async function stillAnswers({ service }: Endable, request: GateRequest, world: World): Promise<boolean> {
  const target = { url: addressOf(service, request), clock: world.clock, tryMs: LAST_MOMENT_MS };
  const report = await checkRefusals(target);
  return report.status === 'open';
}

/**
 * Ends a service; gives whether it has certainly ended. A signal that ends the command leaves it a moment. Does not
 * throw.
 */
export async function end(job: Endable, request: GateRequest, world: World): Promise<boolean> {
  const { driver, signal } = job;
  const cut = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => cut.abort(), LAST_MOMENT_MS);
  };
  if (signal?.aborted) begin();
  signal?.addEventListener('abort', begin, { once: true });
  try {
    return (await driver.stop(cut.signal)) && !(await stillAnswers(job, request, world));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', begin);
  }
}
