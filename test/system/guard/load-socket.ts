import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { LoadClient } from './load-client.ts';

/** A WebSocket to a server that sends back what it is told. */
export class EchoSocket {
  readonly #socket: Duplex;
  #unread = Buffer.alloc(0);
  #cut = false;
  #told: () => void = () => undefined;

  private constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk]);
      this.#told();
    });
    socket.on('close', () => {
      this.#cut = true;
      this.#told();
    });
  }

  /** Opens one; throws where the server refuses it. */
  static async open(
    client: LoadClient,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<EchoSocket> {
    const key = randomBytes(16).toString('base64');
    const own = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const asked = client.begin(path, { headers: { ...own, 'sec-websocket-key': key, ...headers } });
    asked.end();
    return await new Promise((resolve, reject) => {
      asked.on('upgrade', (_, socket) => resolve(new EchoSocket(socket)));
      asked.on('response', (response) => reject(new Error(`no WebSocket: ${response.resume().statusCode}`)));
      asked.on('error', reject);
    });
  }

  /** Sends a text of 126 to 65,535 bytes, and gives what comes back. Throws where the connection is cut. */
  async echo(text: string): Promise<string> {
    const payload = Buffer.from(text);
    const head = Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 0xff]);
    // A mask of zeros changes nothing.
    this.#socket.write(Buffer.concat([head, Buffer.alloc(4), payload]));
    for (;;) {
      const [from, to] = [4, 4 + payload.length];
      if (this.#unread.length >= to) {
        const frame = this.#unread.subarray(from, to);
        this.#unread = this.#unread.subarray(to);
        return frame.toString('utf8');
      }
      if (this.#cut) throw new Error('the WebSocket was cut');
      await new Promise<void>((resolve) => {
        this.#told = resolve;
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
