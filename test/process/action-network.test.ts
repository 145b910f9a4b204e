import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Runner } from './action-stage.ts';
import { RunningService } from './deploy-stage.ts';
import { freshSecret } from './deployment.ts';
import { Servers, sound } from './scripted-servers.ts';
import { certificate } from './scripted-servers-certificate.ts';
import { gateDeployment } from './scripted-servers-deployment.ts';

const servers = new Servers();
let runner: Runner;
let root: string;
beforeEach(() => {
  runner = new Runner();
  root = gateDeployment();
});
afterEach(async () => {
  await servers.close();
  runner.remove();
  rmSync(root, { recursive: true });
});

const SHORT = '700ms';

/** Runs the step beside this process, whose servers go on answering. */
const act = (inputs: Record<string, string>, env: Record<string, string>) =>
  runner.begin({ root, timeout: '10s', ...inputs }, env).ended;

describe('a proxy that the environment names', () => {
  // Node 24 sends requests of its own agent there, for the loopback too.
  const PROXIES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'];
  async function proxied() {
    const proxy = await servers.elsewhere();
    const named = Object.fromEntries(PROXIES.map((name) => [name, proxy.url]));
    return { proxy, env: { ...named, NO_PROXY: '', no_proxy: '', NODE_USE_ENV_PROXY: '1' } };
  }

  it.each(['probe', 'deploy'])('receives no byte of a %s', async (command) => {
    const { proxy, env } = await proxied();
    const ran = await act({ command, url: await servers.http(sound) }, env);
    expect([ran.code, ran.outputs.proved]).toEqual([0, 'true']);
    const { pem, key } = certificate();
    writeFileSync(join(root, 'own.pem'), pem);
    const secure = await servers.tls(sound, { cert: pem, key });
    const trusting = { ...env, NODE_EXTRA_CA_CERTS: join(root, 'own.pem') };
    expect((await act({ command, url: secure }, trusting)).outputs.proved).toBe('true');
    expect(proxy.bytes()).toBe('');
  });

  it('receives no byte of a deploy that restarts, nor of one that goes back', async () => {
    const { proxy, env } = await proxied();
    for (const [passwordElsewhere, status] of [
      [false, 'deployed'],
      [true, 'rolled-back'],
    ] as const) {
      const service = await RunningService.start({ passwordElsewhere });
      const ran = await act({ command: 'deploy', root: service.root, password: freshSecret() }, env);
      service.remove();
      expect(ran.outputs.status).toBe(status);
    }
    expect(proxy.bytes()).toBe('');
  });
});

describe.each(['probe', 'deploy'])('a %s over TLS', (command) => {
  it('takes an authority of one’s own from NODE_EXTRA_CA_CERTS, and asks no server without', async () => {
    const { pem, key } = certificate();
    const own = join(root, 'own.pem');
    writeFileSync(own, pem);
    const requests: unknown[] = [];
    const url = await servers.tls(
      (request, response) => {
        requests.push(request.url);
        return sound(request, response);
      },
      { cert: pem, key },
    );
    for (const env of [{}, { NODE_TLS_REJECT_UNAUTHORIZED: '0' }]) {
      const refused = await act({ command, url, timeout: SHORT }, env);
      expect(refused.outputs).toMatchObject({ proved: 'false', 'exit-code': '3' });
      expect(refused.log).toMatch(/^::error title=down::.*DEPTH_ZERO_SELF_SIGNED_CERT/m);
    }
    expect(requests).toEqual([]);
    const ran = await act({ command, url }, { NODE_EXTRA_CA_CERTS: own });
    expect([ran.code, ran.outputs.proved]).toEqual([0, 'true']);
    expect(Number(ran.outputs['ready-after-ms'])).toBeGreaterThan(0);
  });
});
