import { connect } from 'node:net';
import type { ComfyUiArgs } from '../comfyui-args.ts';
import { Refusal } from '../exit.ts';
import { type PreflightCheck, pass, skip } from './check.ts';

type Address = Pick<ComfyUiArgs, 'host' | 'port'>;

const TIMEOUT_MS = 1000;

/** Nothing answers where ComfyUI is to listen. */
export const portFree: PreflightCheck = {
  id: 'port-free',
  severity: 'error',
  async run({ listens, running = false }) {
    if (running) return skip('an entrypoint is at work here: its own ComfyUI may answer');
    for (const place of listens) await checkPortFree(place);
    return pass(`nothing answers at ${listens.map(({ host, port }) => `${host}:${port}`).join(', ')}`);
  },
};

/** A process that already answers there would be proven in ComfyUI's place. Throws a `Refusal` (78). */
export async function checkPortFree(address: Address): Promise<void> {
  if (!(await answers(address))) return;
  throw new Refusal({
    code: 'port-taken',
    message: `something answers at ${address.host}:${address.port} already`,
    remedy: 'end it, or set COMFYUI_PORT to a free port',
  });
}

/** Whether something accepts connections at an address. */
export function answers({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, timeout: TIMEOUT_MS });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
