import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Asking,
  asked,
  BEARER,
  type Elsewhere,
  IS,
  PASSWORD,
  reply,
  Servers,
  sound,
  soundBut,
  soundButFor,
} from './scripted-servers.ts';
import { ask } from './scripted-servers-ask.ts';
import { certificate } from './scripted-servers-certificate.ts';

const STATUSES = [301, 302, 303, 307, 308];

/** How a server can say that the answer is at another one. */
const WAYS: ((second: Elsewhere, path: string) => string)[] = [
  ({ url }, path) => `${url}${path}`,
  ({ port }, path) => `//127.0.0.1:${port}${path}`,
  ({ port }, path) => `http://localhost:${port}${path}`,
  ({ port }, path) => `/\\127.0.0.1:${port}${path}`,
  ({ port }, path) => `http://user:word@127.0.0.1:${port}${path}?token=`,
];

const REDIRECTS = (Object.keys(IS) as Asking[]).flatMap((asking, i) =>
  STATUSES.map((status, j) => {
    const way = (i + j) % WAYS.length;
    return [`${asking}, by ${status}, in way ${way + 1}`, asking, status, WAYS[way] ?? WAYS[0]] as const;
  }),
);

describe.concurrent('a server that leads to another one', () => {
  it.each(REDIRECTS)('for %s: it is named, and nothing is sent there', async (_, asking, status, way) => {
    const servers = new Servers();
    try {
      const second = await servers.elsewhere();
      const paths = { 'login-page': '/login', form: '/', suffix: '/x.js' } as Record<string, string>;
      const location = way?.(second, paths[asking] ?? '/login') ?? '';
      const url = await servers.http(
        soundButFor(asking, (_, response) => reply(response, status, '', { location })),
      );
      const said = await ask(url);
      // Nothing hangs on the canary of the suffix: it is not known, and the rest is proven.
      const [ends, code] = asking === 'suffix' ? ['proved', undefined] : ['unknown', 'redirected'];
      expect([said.status, said.codes.at(-1), said.code]).toEqual([ends, code, ends === 'proved' ? 0 : 3]);
      if (asking === 'suffix') expect(said.checks.suffix).toBe('unknown');
      else expect(new URL(said.json.findings.at(-1).args.to).port).toBe(second.port);
      expect(second.bytes()).toBe('');
    } finally {
      await servers.close();
    }
  });
});

describe('a server that leads elsewhere', () => {
  let servers: Servers;
  beforeEach(() => {
    servers = new Servers();
  });
  afterEach(() => servers.close());

  it('on its own ground is not followed either', async () => {
    const paths: string[] = [];
    const url = await servers.http((request, response) => {
      paths.push(request.url ?? '');
      reply(response, 302, '', { location: '/elsewhere' });
    });
    expect((await ask(url)).codes).toEqual(['redirected']);
    expect(new Set(paths)).toEqual(new Set(['/system_stats']));
  });

  it('may echo what it was sent: it is not repeated', async () => {
    let said = await ask(
      await servers.http(
        soundBut((request, response) => {
          const { bearer } = asked(request);
          if (bearer !== BEARER) return false;
          reply(response, 200, `<p>${bearer}</p>`, { 'x-echo': bearer, 'set-cookie': bearer });
          return true;
        }),
      ),
    );
    expect(said.codes).toEqual(['not-comfyui']);
    said = await ask(
      await servers.http(
        soundButFor('form', (_, response) =>
          reply(response, 307, '', { location: `http://${PASSWORD.toUpperCase()}.example/` }),
        ),
      ),
    );
    expect([said.codes, said.json.findings[0].args.to]).toEqual([['redirected'], '[secret]']);
  });

  it('may echo a bearer as the origin that it wants: it is not repeated', async () => {
    const hex = Buffer.from(BEARER).toString('hex');
    const url = await servers.http(
      soundBut((request, response) => {
        const wants = asked(request).bearer === BEARER && request.headers.origin === undefined;
        return (
          wants && !!reply(response, 401, '', { 'access-control-allow-origin': `http://${hex}.example` })
        );
      }),
    );
    const said = await ask(url);
    expect([said.codes, said.json.findings[0].args.origin]).toEqual([['origin-required'], '[secret]']);
  });

  it.each(['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'HTTPS_PROXY', 'npm_config_proxy'])(
    'is no proxy that %s names: it receives no byte',
    async (variable) => {
      const proxy = await servers.elsewhere();
      const env = { [variable]: proxy.url, NO_PROXY: '', NODE_USE_ENV_PROXY: '1' };
      expect((await ask(await servers.http(sound), { env })).status).toBe('proved');
      const { pem, key } = certificate();
      const secure = await servers.tls(sound, { cert: pem, key });
      expect((await ask(secure, { env, timeout: '300ms' })).status).toBe('down');
      expect(proxy.bytes()).toBe('');
    },
  );
});
