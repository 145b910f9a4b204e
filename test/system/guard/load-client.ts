import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';

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

  constructor(port: number, options: { maxSockets?: number; localAddress?: string } = {}) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, ...options });
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
