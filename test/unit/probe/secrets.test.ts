import http from 'node:http';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { BEARER, PASSWORD, sound, soundBut } from '../../process/scripted-servers.ts';
import { gate, serve } from './scripted.ts';

const has = (secret: string, text: string) =>
  [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')].some((form) =>
    text.includes(form),
  );

describe('secrets', () => {
  it('go to where they belong, and nowhere else', async () => {
    const seen: { line: string; headers: string; body: string }[] = [];
    const url = await serve(
      soundBut((request) => {
        const entry = {
          line: `${request.method} ${request.url}`,
          headers: inspect(request.headers),
          body: '',
        };
        seen.push(entry);
        request.on('data', (chunk: Buffer) => {
          entry.body += chunk.toString();
        });
        return false;
      }),
    );
    const report = await gate(url);
    expect(report.status).toBe('proved');
    expect(seen.length).toBe(3 * 5 + 3);
    for (const { headers } of seen) {
      expect(headers).toContain("accept: 'application/json'");
      expect(headers).toContain("'accept-encoding': 'identity'");
    }
    expect(seen.filter(({ line }) => has(BEARER, line) || has(PASSWORD, line))).toEqual([]);
    expect(seen.filter(({ headers }) => has(PASSWORD, headers))).toEqual([]);
    expect(seen.filter(({ headers }) => has(BEARER, headers)).map(({ line }) => line)).toEqual(
      Array(3).fill('GET /system_stats'),
    );
    expect(seen.filter(({ body }) => body !== '').map(({ line }) => line)).toEqual([
      'POST /login',
      'POST /login',
    ]);
    expect(seen.filter(({ body }) => has(PASSWORD, body)).length).toBe(1);
    expect(seen.every(({ body }) => body === '' || body.startsWith('username=admin&'))).toBe(true);
  });

  it('are not sent through the agent that the environment may turn into a proxy', async () => {
    let used = 0;
    class Proxying extends http.Agent {
      override createConnection(...args: Parameters<http.Agent['createConnection']>) {
        used += 1;
        return super.createConnection(...args);
      }
    }
    const before = http.globalAgent;
    http.globalAgent = new Proxying();
    try {
      expect((await gate(await serve(sound))).status).toBe('proved');
    } finally {
      http.globalAgent = before;
    }
    expect(used).toBe(0);
  });
});
