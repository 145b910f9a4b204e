import { readFileSync } from 'node:fs';
import { Refusal } from '../exit.ts';
import { type Place, type PreflightCheck, pass, skip } from './check.ts';

/** Nothing listens where ComfyUI is to listen. */
export const portFree: PreflightCheck = {
  id: 'port-free',
  severity: 'error',
  run({ listens, running = false }) {
    if (running) return skip('an entrypoint is at work here: its own ComfyUI may answer');
    for (const place of listens) checkPortFree(place);
    return pass(`nothing listens at ${listens.map(({ host, port }) => `${host}:${port}`).join(', ')}`);
  },
};

/** A process that listens there already would be proven in ComfyUI's place. Throws a `Refusal` (78). */
function checkPortFree(place: Place): void {
  if (!isListening(place)) return;
  throw new Refusal({
    code: 'port-taken',
    message: `something listens at ${place.host}:${place.port} already`,
    remedy: 'end it, or set COMFYUI_PORT to a free port',
  });
}

const LISTEN = '0A';
const ANY = /^0+$/;

/**
 * Whether a process listens at a place, on that address or on all of them. Read from the kernel's tables (proc(5),
 * /proc/net/tcp), so that no connection is made for it; where there are none, nothing is known to listen.
 */
export function isListening({ host, port }: Place): boolean {
  const wanted = addressOf(host);
  const isMeant = (address: string) => wanted === undefined || ANY.test(address) || address.endsWith(wanted);
  return listeners().some(([address, at]) => at === port && isMeant(address));
}

/** Address as the tables write it, and port, of all that listens. */
function listeners(): [address: string, port: number][] {
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => read(path).split('\n').slice(1));
  return lines.flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [address = '', port = ''] = local.split(':');
    return state === LISTEN ? [[address, Number.parseInt(port, 16)] as [string, number]] : [];
  });
}

/**
 * An IPv4 address as eight hex digits, its last byte first, with which its form in IPv6 ends; undefined for what is
 * none: then each counts.
 */
function addressOf(host: string): string | undefined {
  const bytes = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1);
  return bytes
    ?.reverse()
    .map((byte) => Number(byte).toString(16).padStart(2, '0').toUpperCase())
    .join('');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
