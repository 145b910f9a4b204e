import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { Socket } from 'node:net';

/** What came back: 0 where the connection broke. */
export interface Answer {
  status: number;
  body: string;
  headers: IncomingMessage['headers'];
}

const BROKEN: Answer = { status: 0, body: '', headers: {} };

/** A client of one server that keeps its connections. */
export class LoadClient {
  readonly #port: number;
  readonly #agent: Agent;

  constructor(port: number, maxSockets = Number.POSITIVE_INFINITY) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets });
  }

  /** Begins a request, whose body is still to be sent. */
  begin(path: string, options: RequestOptions = {}): ClientRequest {
    return request({ host: '127.0.0.1', port: this.#port, path, agent: this.#agent, ...options });
  }

  /** Asks, and reads the answer to its end. */
  ask(path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
    const asked = this.begin(path, { headers, method: body === undefined ? 'GET' : 'POST' });
    asked.end(body);
    return answerTo(asked);
  }

  /** Milliseconds that each of so many requests took, one after the other. Throws where one is refused. */
  async times(count: number, path: string, headers: Record<string, string>): Promise<number[]> {
    const figures: number[] = [];
    for (let asked = 0; asked < count; asked++) {
      const start = performance.now();
      const { status } = await this.ask(path, headers);
      figures.push(performance.now() - start);
      if (status !== 200) throw new Error(`${path}: ${status}`);
    }
    return figures;
  }

  /** The cookie that the form gives to who knows the password. */
  async session(password: string): Promise<string> {
    const type = 'application/x-www-form-urlencoded';
    const form = new URLSearchParams({ username: 'ada', password }).toString();
    const { status, headers } = await this.ask('/login', { 'content-type': type }, form);
    const cookie = headers['set-cookie']?.[0]?.split(';')[0];
    if (cookie === undefined) throw new Error(`/login: ${status} without a cookie`);
    return cookie;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The whole answer to a request, whenever its body ends. */
export async function answerTo(asked: ClientRequest): Promise<Answer> {
  return await new Promise((resolve) => {
    asked.on('error', () => resolve(BROKEN));
    asked.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => resolve(BROKEN));
      response.on('end', () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, body: Buffer.concat(chunks).toString('utf8'), headers });
      });
    });
  });
}

/** Headers of who has a token. */
export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** A WebSocket that says what comes back. */
export class EchoSocket {
  #socket: Socket;
  #unread = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
  }

  /** Opens one; throws where the server refuses it. */
  static async open(
    client: LoadClient,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<EchoSocket> {
    const own = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const key = { 'sec-websocket-key': randomBytes(16).toString('base64') };
    const asked = client.begin(path, { headers: { ...own, ...key, ...headers } });
    asked.end();
    const socket = await new Promise<Socket>((resolve, reject) => {
      asked.on('upgrade', (_, upgraded) => resolve(upgraded as Socket));
      asked.on('response', (response) => reject(new Error(`${path.split('?')[0]}: ${response.statusCode}`)));
      asked.on('error', reject);
    });
    return new EchoSocket(socket);
  }

  /** Sends a text of at most 65,535 bytes, and gives the one that comes back. Throws where the connection is cut. */
  async echo(text: string): Promise<string> {
    const payload = Buffer.from(text);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(payload.length);
    // A mask of zeros changes nothing.
    this.#socket.write(Buffer.concat([Buffer.from([0x81, 0xfe]), length, Buffer.alloc(4), payload]));
    for (;;) {
      const frame = this.#frame();
      if (frame !== undefined) return frame.toString('utf8');
      const cut = once(this.#socket, 'close').then(() => Promise.reject(new Error('the connection was cut')));
      const [chunk] = await Promise.race([once(this.#socket, 'data'), cut]);
      this.#unread = Buffer.concat([this.#unread, chunk]);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Takes one whole frame off what has arrived. */
  #frame(): Buffer | undefined {
    const unread = this.#unread;
    if (unread.length < 2) return undefined;
    const short = unread.readUInt8(1);
    const start = short === 126 ? 4 : 2;
    if (unread.length < start) return undefined;
    const end = start + (short === 126 ? unread.readUInt16BE(2) : short);
    if (unread.length < end) return undefined;
    this.#unread = unread.subarray(end);
    if (unread.readUInt8(0) !== 0x81) throw new Error(`a frame that is no text: ${unread.readUInt8(0)}`);
    return unread.subarray(start, end);
  }
}
