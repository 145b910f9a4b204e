import { rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { found, PATHS } from './deployment.ts';
import { LiveStage } from './live-stage.ts';

let stage: LiveStage;
beforeEach(() => {
  stage = new LiveStage();
});
afterEach(() => stage.remove());

const listening = async (server: ReturnType<typeof createTcpServer>) => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
};

/** A server that answers as the handler says. */
async function scripted(handler: RequestListener): Promise<void> {
  const server = createServer(handler);
  stage.use(await listening(server), server);
}

const TOP = '    PID ELAPSED COMMAND\n';
const SERVING = `${TOP}   4711    3600 python3 -u main.py --listen\n`;

const AFTER_HTTP = [
  'guard',
  'login-node',
  'protected',
  'empty-token',
  'suffix',
  'bearer',
  'form',
  'guest',
  'origin',
];

describe('doctor, where nothing usable answers', () => {
  it('finds that nothing listens', async () => {
    await stage.useNothing();
    stage.contain();
    stage.says('top', SERVING);
    stage.says('logs', '');
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['down', 1]);
    expect(ran.evidence('http')).toBe('nothing listens');
    expect(AFTER_HTTP.map(ran.verdict)).toEqual(AFTER_HTTP.map(() => 'skip'));
  });

  it.each([
    ['a process', `${TOP}     77      65 /usr/bin/python3 /usr/bin/pip install torch\n`, '', 'pip runs'],
    ['a module', `${TOP}     77      65 python3.12 -m pip install -r r.txt\n`, '', 'pip runs'],
    ['uv', `${TOP}     77      65 /usr/local/bin/uv sync\n`, '', 'uv runs'],
    ['apt', `${TOP}     77      65 apt-get install -y git\n`, '', 'apt-get runs'],
    ['the log', TOP, 'Collecting torch\n  Downloading torch-2.8.0.whl (888 MB)\n', 'its log ends with lines'],
  ])('tells by %s that it is still installing', async (_, top, logs, says) => {
    await stage.useNothing();
    stage.contain();
    stage.says('top', top);
    stage.says('logs', logs);
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['not-ready', 1]);
    expect(found(ran, 'not-ready')[0]).toMatchObject({ args: { reason: 'installing' } });
    expect(found(ran, 'not-ready')[0]?.remedy).toMatch(/^comfyui-auth probe .*--timeout 20m/);
    expect(ran.evidence('http')).toContain(says);
  });

  it('does not take what was installed before the server for an installation', async () => {
    await stage.useNothing();
    stage.contain();
    stage.says('top', `${TOP}  1 65 sh -c pip install -r r.txt && python main.py\n${SERVING}`);
    stage.says('logs', 'Collecting torch\nInstalling collected packages: torch\nStarting server\n');
    expect((await stage.doctor()).cause).toBe('down');
  });

  it('says that it could not look inside', async () => {
    await stage.useNothing();
    stage.contain();
    stage.says('top', '', 1);
    const ran = await stage.doctor();
    expect(ran.cause).toBe('down');
    expect(ran.evidence('http')).toContain('whether it still installs could not be looked at');
  });

  it('finds that nothing listens behind a port that docker has published', async () => {
    const server = createTcpServer((socket) => socket.on('error', () => undefined).destroy());
    stage.use(await listening(server), server);
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['down', 1]);
    expect(ran.evidence('http')).toContain('nothing in the container listens behind it');
  });

  it('tells a server that says nothing', async () => {
    const server = createTcpServer((socket) => socket.on('error', () => undefined).unref());
    stage.use(await listening(server), server);
    stage.contain();
    const ran = await stage.doctor('--timeout', '2s');
    expect([ran.cause, ran.code]).toEqual(['not-ready', 1]);
    expect(ran.evidence('http')).toContain('it accepts connections and says nothing');
  });

  it.each([
    ['a page for everybody', 200, '<!doctype html>', 4],
    ['nothing but 404', 404, '', 1],
  ])('tells what is not ComfyUI: %s', async (_, status, body, exit) => {
    await scripted((_request, response) => response.writeHead(status).end(body));
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['not-comfyui', exit]);
    expect(ran.evidence('http')).toBe(`what answers is not ComfyUI (HTTP ${status})`);
  });

  it('follows no redirect, and names it', async () => {
    await scripted((_request, response) => response.writeHead(302, { location: 'http://[::1]:9/' }).end());
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['redirected', 1]);
    expect(ran.evidence('http')).toBe('it sends to http://[::1]:9; nothing was sent there');
  });
});

describe('doctor, of a server that lets in who has no credential', () => {
  it('finds that the login node is missing', async () => {
    stage.withoutNode();
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['login-node-missing', 4]);
    expect(ran.evidence('login-node')).toBe('/login is no login page (HTTP 404)');
    expect([ran.verdict('protected'), found(ran, 'open').length]).toEqual(['fail', 1]);
    expect(ran.verdict('bearer')).toBe('skip');
    const text = (await stage.run('doctor')).stdout;
    expect(text).toMatch(/\ncause: login-node-missing\n.*\n +→ docker compose -f \S+ kill comfyui-qwen /);
    expect(text).toMatch(/\ncritical {2}open /);
  });

  it('finds that its page guards nothing', async () => {
    stage.tree.write(PATHS.password, Buffer.from([0x24, 0xff, 0x0a]));
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['login-node-broken', 4]);
    expect(ran.evidence('login-node')).toBe('/login is there, and guards nothing');
  });

  it('finds in the log why its import failed, and shows nothing of the log', async () => {
    stage.withoutNode();
    await stage.serve();
    stage.contain();
    const node = '/workspace/ComfyUI/custom_nodes/ComfyUI-Login';
    stage.says(
      'logs',
      `For direct API calls, use token=${stage.tree.bearer}\nCannot import ${node} module for custom nodes: ` +
        `No module named 'bcrypt'\n   0.0 seconds (IMPORT FAILED): ${node}\n`,
    );
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['login-node-broken', 4]);
    expect(found(ran, 'login-node-broken')[0]?.message).toContain('the Python package bcrypt is missing');
    expect(ran.evidence('login-node')).toContain('the log says that its import failed');
  });

  it('finds the empty token', async () => {
    stage.tree.write(PATHS.password, '\nadmin');
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['open-by-empty-token', 4]);
    expect([ran.verdict('login-node'), ran.verdict('protected')]).toEqual(['pass', 'pass']);
  });

  it('finds the first visit, and does not pay it', async () => {
    await stage.serve();
    stage.contain();
    rmSync(stage.tree.path(PATHS.password));
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.verdict('bearer')]).toEqual(['first-visit', 4, 'pass']);
    expect(ran.evidence('form')).toBe('the page lets the first visitor choose the password');
    expect(() => stage.tree.read(PATHS.password)).toThrow('ENOENT');
  });

  it('finds guests', async () => {
    stage.writeAt(join(stage.comfyui, 'login', 'GUEST_MODE'), '');
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.verdict('guest')]).toEqual(['guest-mode-on', 4, 'fail']);
    expect(ran.evidence('form')).toContain('not posted');
  });
});

it('takes an older node, which answers 302, for as good', async () => {
  await stage.serve([], true);
  stage.contain();
  const ran = await stage.doctor();
  expect([ran.cause, ran.code, ran.verdict('http')]).toEqual([null, 0, 'pass']);
  expect(ran.evidence('http')).toBe(
    'it answers (HTTP 302); as an older version of ComfyUI-Login does: 302 in place of 401',
  );
});
