import type { Clock } from '../src/platform/clock.ts';
import type { Exposure } from './exposure.ts';
import type { Health } from './health.ts';
import type { Log } from './log.ts';
import type { Plan } from './plan.ts';
import { isListening } from './preflight/port.ts';
import type { Objection } from './watch.ts';

const PAUSE_MS = 250;

/** Said at each start without a login. */
export const UNPROTECTED =
  'COMFYUI_LOGIN_ENABLED=false: ComfyUI runs WITHOUT A LOGIN and without a proof; whoever reaches it uses it';

interface OpenPorts {
  expose: Exposure;
  clock: Clock;
  health: Health;
  log: Log;
}

/** Waits until something listens, as the operator said twice that it may. Has no objection; rejects at the end. */
export async function watchOpen(
  { args, url }: Plan,
  ports: OpenPorts,
  over: AbortSignal,
): Promise<Objection> {
  const { expose, clock, health, log } = ports;
  while (!isListening(args)) await clock.wait(PAUSE_MS, over);
  await expose.open();
  over.throwIfAborted();
  health.enter('READY', { reason: UNPROTECTED });
  log.warning('unprotected', `serving at ${url} without a login`);
  return new Promise((_, reject) => over.addEventListener('abort', () => reject(over.reason)));
}
