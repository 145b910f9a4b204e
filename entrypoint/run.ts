import { collectGarbage } from './collect.ts';
import { ContainerExit } from './exit.ts';
import { type LifeEnd, type LifePorts, live } from './life.ts';
import { commandNotices, makePlan } from './plan.ts';
import type { Ports } from './ports.ts';
import { RebootMarker } from './reboot.ts';
import { Restarts } from './restarts.ts';
import { readSettings, type Settings } from './settings.ts';
import { StopAsked } from './signals.ts';
import { endedUnproven } from './verdict.ts';
import { UNPROTECTED } from './watch-open.ts';

/** ComfyUI ended by the SIGINT that we sent: Python says so by this code where it had not come to serve. */
const INTERRUPTED = 130;

/**
 * Writes the credential, starts ComfyUI, proves it, watches it, and starts it again where it dies. Gives the exit code
 * of container.md §3; throws a `Refusal` where it does not start or does not go on.
 */
export async function run(command: readonly string[], ports: Ports): Promise<number> {
  const reboot = new RebootMarker(ports.runFolder);
  try {
    return await runLives(command, { ...ports, reboot });
  } catch (error) {
    // Asked to stop before there was anything to stop: that is a clean stop.
    if (error instanceof StopAsked || ports.signals.stop.reason === error) return ContainerExit.stopped;
    throw error;
  } finally {
    reboot.remove();
  }
}

async function runLives(command: readonly string[], ports: LifePorts): Promise<number> {
  const { env, signals, health, log, clock } = ports;
  const first = readSettings(ports);
  tellNotices(first, command, ports);
  const restarts = new Restarts(first.restarts);
  let wasReady = false;
  for (let count = 0; ; count++) {
    // Anew before each start: what a file holds may have been changed for that very reason.
    const settings = count === 0 ? first : readSettings(ports);
    const plan = await makePlan(settings, command, { env, process: ports.process, signal: signals.stop });
    const end = await live(plan, ports, count > 0);
    wasReady ||= end.ready;
    if (signals.stop.aborted) return end.code === INTERRUPTED ? ContainerExit.stopped : end.code;
    const pauseMs = pauseAfter(end, wasReady, restarts, ports);
    if (pauseMs === undefined) return end.code;
    health.enter('RESTARTING', { restarts: count + 1, reason: end.why });
    log.warning('restarting', `${end.why}; starting it again in ${pauseMs / 1000} s`, {
      restarts: count + 1,
      pauseMs,
    });
    collectGarbage();
    await clock.wait(pauseMs, signals.stop).catch(() => undefined);
    signals.stop.throwIfAborted();
  }
}

function tellNotices(settings: Settings, command: readonly string[], { log }: Ports): void {
  for (const notice of [...settings.notices, ...commandNotices(settings, command)]) {
    log.warning('setting-unread', notice);
  }
  if (settings.mode === 'open') log.warning('unprotected', UNPROTECTED);
}

/** How long to wait before the next start; undefined where the end of the child is the end of the container. */
function pauseAfter(end: LifeEnd, wasReady: boolean, restarts: Restarts, ports: Ports): number | undefined {
  if (end.how === 'reloaded' || (end.how === 'rebooted' && end.ready)) return 0;
  if (end.how === 'ended' && end.code === 0) {
    if (!end.ready) throw endedUnproven();
    return undefined;
  }
  // What dies before it was ever proven would die again: whoever started the container is to hear of it at once.
  if (end.how === 'ended' && !wasReady) return undefined;
  const pauseMs = restarts.take(ports.clock.monotonicMs());
  if (pauseMs === undefined) {
    ports.log.error('restart-budget', `${end.why}, and RESTART_BUDGET is spent: it is not started again`);
    // A reboot ends with 0, which would say that all was well.
    if (end.how === 'rebooted') throw endedUnproven();
  }
  return end.how === 'rebooted' && pauseMs !== undefined ? 0 : pauseMs;
}
