import type { Clock } from '../src/platform/clock.ts';
import type { Exposure } from './exposure.ts';
import type { Health } from './health.ts';
import type { Log } from './log.ts';
import type { Plan } from './plan.ts';
import { isListening } from './preflight/port.ts';
import type { Signals } from './signals.ts';
import { type Objection, reloadOr } from './watch.ts';

const PAUSE_MS = 250;

/** Far below the longest timer. */
const FOREVER_MS = 86_400_000;

const NOBODY_LISTENS: Objection = {
  status: 'down',
  checks: [],
  findings: [{ code: 'down', args: { reason: 'ECONNREFUSED' } }],
};

/** Said at each start without a login. */
export const UNPROTECTED =
  'COMFYUI_LOGIN_ENABLED=false: ComfyUI runs WITHOUT A LOGIN and without a proof; whoever reaches it uses it';

interface OpenPorts {
  expose: Exposure;
  signals: Signals;
  clock: Clock;
  health: Health;
  log: Log;
}

/**
 * Waits until something listens, as the operator said twice that it may be open to anyone. Objects where nothing does
 * before the deadline; rejects at the end.
 */
export async function watchOpen(
  { args, url, settings }: Plan,
  ports: OpenPorts,
  over: AbortSignal,
): Promise<Objection> {
  const { expose, signals, clock, health, log } = ports;
  const deadline = clock.monotonicMs() + settings.verifyTimeoutMs;
  while (!isListening(args)) {
    if (clock.monotonicMs() > deadline) return NOBODY_LISTENS;
    await clock.wait(PAUSE_MS, over);
  }
  await expose.open();
  over.throwIfAborted();
  health.enter('READY', { reason: UNPROTECTED });
  log.warning('unprotected', `serving at ${url} without a login`);
  for (;;) {
    await reloadOr(clock, FOREVER_MS, signals, over);
    if (signals.takeReload()) log.info('reloaded', 'there is no credential here that could be read again');
  }
}
