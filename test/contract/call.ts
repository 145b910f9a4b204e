import { Agent, request } from 'node:http';

export interface Call {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

export interface Called {
  status: number;
  location: string | undefined;
  /** The cookie as it is sent back. */
  cookie: string | undefined;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** One request, exactly as given; redirects are not followed. */
export function call(url: string, { method = 'GET', headers = {}, body }: Call = {}): Promise<Called> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const outgoing = request(url, { method, agent: new Agent(), headers: { ...length, ...headers } });
    outgoing.on('error', reject);
    outgoing.on('response', async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({
        status: response.statusCode ?? 0,
        location: response.headers.location,
        cookie: response.headers['set-cookie']?.[0]?.split(';')[0],
        headers: response.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      });
    });
    outgoing.end(body);
  });
}

/** A login form as a browser sends it. */
export const form = (fields: Record<string, string>): Call => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
});

export const bearer = (token: string): Call => ({ headers: { authorization: `Bearer ${token}` } });
