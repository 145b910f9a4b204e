import { connect } from 'node:net';
import { Refusal } from './exit.ts';

/** Where something may listen; an IPv6 host in brackets or without. */
interface Place {
  host: string;
  port: number;
}

/** Whether something accepts a connection there. */
export function accepts({ host, port }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, timeout: 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

/** Throws a `Refusal` (78) where something answers: it would be proven in ComfyUI's place. */
export async function checkPortFree(place: Place): Promise<void> {
  if (!(await accepts(place))) return;
  throw new Refusal({
    code: 'port-taken',
    message: `something answers at ${place.host}:${place.port} already`,
    remedy: 'end it, or set COMFYUI_PORT to a free port',
  });
}
