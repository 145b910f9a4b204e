import { startChild } from './child.ts';
import { ContainerExit } from './exit.ts';
import { createRelay } from './expose/relay.ts';
import { direct, type Exposure } from './exposure.ts';
import { LiveCredential } from './live-credential.ts';
import { LiveReload } from './live-reload.ts';
import { outOfMemoryKills } from './out-of-memory.ts';
import { originOf, type Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import { ownerOf, type Prepared, prepare } from './prepare.ts';
import type { RebootMarker } from './reboot.ts';
import { type ChildEnd, supervise } from './supervise.ts';
import { type Objection, watch } from './watch.ts';
import { watchOpen } from './watch-open.ts';

/** The outside world of one life of ComfyUI. */
export interface LifePorts extends Ports {
  reboot: RebootMarker;
}

/** How one life of ComfyUI came to its end. */
export interface LifeEnd {
  /** `rebooted`: ComfyUI-Manager asked for another start. */
  how: ChildEnd['how'] | 'rebooted';
  code: number;
  /** Whether it was ready when it came to its end. */
  ready: boolean;
  /** In words for the log. */
  why: string;
}

const KILLED = 137;

/**
 * Prepares, starts and watches ComfyUI once, from RESOLVE to its end; `again`: not for the first time. Throws a `Refusal` where it must
 * not go on.
 */
export async function live(plan: Plan, ports: LifePorts, again: boolean): Promise<LifeEnd> {
  const prepared = await prepare(plan, ports, again);
  const killsBefore = outOfMemoryKills();
  const end = await serve(plan, prepared, ports);
  const { how, code, ready } = end;
  if (how === 'ended' && code === 0 && ports.reboot.isSet) {
    return { how: 'rebooted', code, ready, why: 'ComfyUI-Manager asked for a restart' };
  }
  if (how === 'reloaded') return { how, code, ready, why: 'the credential changed' };
  const kills = outOfMemoryKills();
  if (code === KILLED && kills !== undefined && kills > (killsBefore ?? 0)) {
    const why = 'ComfyUI was killed because the container’s memory ran out';
    ports.log.error('out-of-memory', `${why}: give it more (mem_limit), or load smaller models`);
    return { how, code, ready, why };
  }
  return { how, code, ready, why: `ComfyUI ended with ${code}` };
}

async function serve(plan: Plan, prepared: Prepared, ports: LifePorts): Promise<ChildEnd> {
  const { settings, command, url, python } = plan;
  const { health, log, signals, clock, redactor, stdout, stderr } = ports;
  signals.stop.throwIfAborted();
  health.enter('SPAWN');
  const marker = ports.reboot.prepare(ownerOf(settings, ports.self));
  const child = await startChild({
    command,
    cwd: settings.comfyuiDir,
    env: { ...python.env, ...prepared.env, ...marker },
    redactor,
    stdout,
    stderr,
    onUnkillable: () => leaveIt(ports),
    ...(settings.user !== undefined && { user: settings.user }),
  });
  health.enter('STARTING', { childPid: child.pid });
  log.info('starting', `${command[0]} is process ${child.pid}; waiting for ${url}`, {
    childPid: child.pid,
    url,
  });
  const expose = exposureOf(plan, ports);
  const origin = originOf(plan);
  const live = prepared.credential && new LiveCredential(prepared.credential);
  return supervise({
    child,
    watch: watcherOf(plan, live, prepared, { child, expose }, ports),
    draining: { url, bearers: () => live?.bearers ?? [], ...(origin !== undefined && { origin }) },
    graceMs: settings.stopGraceMs,
    expose,
    signals,
    health,
    log,
    clock,
  });
}

/** What cannot be ended must not be left to itself: with our own end the container ends, and all that is in it. */
function leaveIt({ log, health }: LifePorts): never {
  const reason = 'ComfyUI does not take a signal from here (EPERM): the container ends at once';
  health.close(reason);
  log.error('unkillable', `${reason}. Remedy: give the container the capability KILL`);
  process.exit(ContainerExit.permission);
}

function exposureOf({ settings, args }: Plan, { log }: LifePorts): Exposure {
  if (settings.expose === 'direct') return direct;
  const { host, port } = args;
  return createRelay({ listen: { host: '0.0.0.0', port: settings.port }, target: { host, port }, log });
}

type Parts = Pick<Parameters<typeof watch>[0], 'child' | 'expose'>;

function watcherOf(
  plan: Plan,
  live: LiveCredential | undefined,
  prepared: Prepared,
  parts: Parts,
  ports: LifePorts,
): (over: AbortSignal) => Promise<Objection> {
  if (live === undefined) return (over) => watchOpen(plan, { ...ports, ...parts }, over);
  const { verifyTimeoutMs: timeoutMs, verifyIntervalMs: intervalMs } = plan.settings;
  return async (over) => {
    const credentials = new LiveReload(plan, { ...prepared, live }, ports);
    try {
      return await watch({ ...ports, ...parts, credentials, timeoutMs, intervalMs }, over);
    } finally {
      credentials.close();
    }
  };
}
