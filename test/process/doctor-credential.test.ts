import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { found, PATHS } from './deployment.ts';
import { CONTAINER, LiveStage } from './live-stage.ts';

let stage: LiveStage;
beforeEach(() => {
  stage = new LiveStage();
});
afterEach(() => stage.remove());

/** Starts a server that has read another PASSWORD than the one that stands there afterwards. */
async function serveAnother(after: { changedAt?: Date } = {}): Promise<void> {
  const right = stage.tree.read(PATHS.password);
  stage.change(PATHS.password, `${stage.another()}\nadmin`);
  await stage.serve();
  stage.change(PATHS.password, right, after.changedAt);
}

describe('doctor, of a bearer that is refused', () => {
  it('says no more than that where nothing explains it', async () => {
    await serveAnother();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['bearer-refused', 1]);
    expect(ran.evidence('bearer')).toMatch(/^the bearer [0-9a-f]{8} is refused \(HTTP 401\)$/);
    expect([ran.verdict('form'), ran.verdict('suffix'), ran.verdict('guest')]).toEqual([
      'skip',
      'fail',
      'pass',
    ]);
    expect([ran.verdict('environment'), ran.verdict('process')]).toEqual(['pass', 'pass']);
  });

  it('finds a process that is older than PASSWORD', async () => {
    await serveAnother({ changedAt: new Date() });
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['stale-process', 1]);
    expect([ran.verdict('bearer'), ran.verdict('process')]).toEqual(['fail', 'fail']);
    expect(ran.evidence('process')).toMatch(/^started \S+Z, before PASSWORD was changed \(\S+Z\)$/);
    expect(found(ran, 'stale-process')[0]?.location?.path).toBe(stage.tree.path(PATHS.password));
  });

  it('does not take the container of an entrypoint that wrote PASSWORD for older than its ComfyUI', async () => {
    const changedAt = new Date(Date.now() - 1_800_000);
    await serveAnother({ changedAt });
    stage.contain();
    stage.says('top', 'PID ELAPSED COMMAND\n 1 3600 tini -- node\n 9 1200 python3 main.py --listen\n');
    const ran = await stage.doctor();
    expect([ran.cause, ran.verdict('process')]).toEqual(['bearer-refused', 'pass']);
  });

  it('does not blame an old process that takes the bearer', async () => {
    await stage.serve();
    stage.change(PATHS.password, stage.tree.read(PATHS.password), new Date());
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.verdict('process')]).toEqual([null, 'pass']);
    expect(ran.evidence('process')).toContain('and yet it accepts the bearer');
  });

  it('finds a PASSWORD of another lineage, however old the process', async () => {
    stage.change(PATHS.password, `${stage.another()}\nadmin`, new Date());
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['bearer-refused', 1]);
    const [finding] = found(ran, 'bearer-refused');
    expect(finding?.args).toMatchObject({ reason: 'other-lineage', where: stage.tree.path(PATHS.password) });
    expect(finding?.message).toMatch(/refuses the bearer [0-9a-f]{8}: \S+PASSWORD holds [0-9a-f]{8}$/);
    expect(ran.verdict('process')).toBe('unknown');
  });

  it('finds it inside a container whose folder is no mount', async () => {
    stage.change(PATHS.password, `${stage.another()}\nadmin`);
    await stage.serve();
    stage.contain({ mounts: [], env: [...stage.env(), 'COMFYUI_DIR=/opt/comfy'] });
    stage.says('exec', stage.tree.read(PATHS.password));
    const ran = await stage.doctor();
    expect(found(ran, 'bearer-refused')[0]?.args.where).toBe(`${CONTAINER}:/opt/comfy/login/PASSWORD`);
  });

  it('asks the container when a PASSWORD was changed that no mount shows', async () => {
    await serveAnother();
    stage.contain({ mounts: [] });
    stage.says('exec', `${Math.floor(Date.now() / 1000)}\n`);
    const ran = await stage.doctor();
    expect(ran.evidence('process')).toMatch(/, before PASSWORD was changed/);
    expect(stage.stub.calls('exec').map(({ args }) => args.slice(2))).toContainEqual([
      ...['stat', '-c', '%Y', '/workspace/ComfyUI/login/PASSWORD'],
    ]);
  });

  it('finds that the container was given another bearer', async () => {
    await serveAnother({ changedAt: new Date() });
    stage.contain({ env: stage.env(stage.another()) });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['container-env-drift', 1]);
    expect(ran.evidence('environment')).toBe('not as in the .env: COMFYUI_BEARER_TOKEN');
    expect(found(ran, 'container-env-drift')[0]).toMatchObject({
      location: { path: CONTAINER, key: 'COMFYUI_BEARER_TOKEN' },
      args: {
        found: expect.stringMatching(/^[0-9a-f]{8}$/),
        expected: expect.stringMatching(/^[0-9a-f]{8}$/),
      },
    });
  });

  it('finds that Compose handed the bearer over in pieces', async () => {
    await serveAnother();
    stage.tree.edit(PATHS.env, /COMFYUI_BEARER_TOKEN=.*/, `COMFYUI_BEARER_TOKEN=${stage.tree.bearer}`);
    stage.contain({ env: stage.env(stage.tree.bearer.replace(/(?<=^\$2b\$04)\$[A-Za-z_]\w*/, '')) });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['value-mangled', 1]);
    expect(ran.evidence('environment')).toBe('COMFYUI_BEARER_TOKEN: handed over in pieces');
  });

  it('does not explain it by another variable that differs', async () => {
    await serveAnother();
    stage.contain({ env: stage.env().map((one) => one.replace(/^HF_TOKEN=.*/, 'HF_TOKEN=hf_other')) });
    const ran = await stage.doctor();
    expect([ran.cause, ran.verdict('environment')]).toEqual(['bearer-refused', 'fail']);
  });

  it('names that variable where all else is well', async () => {
    await stage.serve();
    stage.contain({ env: stage.env().map((one) => one.replace(/^HF_TOKEN=.*/, 'HF_TOKEN=hf_other')) });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['container-env-drift', 1]);
  });

  it('warns of one that holds no secret', async () => {
    await stage.serve();
    stage.contain({ env: [...stage.env(), 'COMFYUI_PORT=9999'] });
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual([null, 0]);
    expect(found(ran, 'container-env-drift')[0]?.severity).toBe('warning');
  });
});

describe('doctor, of the origin', () => {
  const ORIGIN = 'https://ui.example';

  it.each(['', 'origin: https://old.example'])('finds the one that is needed (%s)', async (declared) => {
    await stage.serve(['--enable-cors-header', ORIGIN]);
    stage.layout(declared);
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['origin-required', 1]);
    expect(ran.evidence('origin')).toBe(`accepted only with Origin ${ORIGIN}`);
    expect(ran.evidence('bearer')).toContain(`is accepted with Origin ${ORIGIN} alone`);
  });

  it('is content with the one of the layout', async () => {
    await stage.serve(['--enable-cors-header', ORIGIN]);
    stage.layout(`origin: ${ORIGIN}`);
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.evidence('origin')]).toEqual([
      null,
      `accepted with Origin ${ORIGIN}, as the layout says`,
    ]);
  });
});

/** As a server with a sound login node, but for the answer to a bearer that is right. */
async function answering(toBearer: (response: Parameters<RequestListener>[1]) => void): Promise<void> {
  const server = createServer((request, response) => {
    if (request.headers.authorization === `Bearer ${stage.tree.bearer}`) return toBearer(response);
    if (request.url === '/login') return response.end('<form><input type="password" name="password"></form>');
    return response.writeHead(401).end('{}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  stage.use((server.address() as AddressInfo).port, server);
  stage.contain();
}

describe('doctor, of what is answered to the bearer', () => {
  it('tells a header that the node cannot read', async () => {
    await answering((response) => response.writeHead(500).end());
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.evidence('bearer')]).toEqual([
      'header-malformed',
      1,
      'HTTP 500 to the bearer',
    ]);
  });

  it('tells a page that is not ComfyUI', async () => {
    await answering((response) => response.end('<!doctype html>'));
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.verdict('login-node')]).toEqual(['not-comfyui', 1, 'pass']);
  });
});

describe('doctor, of the login form', () => {
  it('finds the carriage return that breaks it', async () => {
    stage.change(PATHS.password, `${stage.tree.bearer}\r\nadmin`);
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['password-file-malformed', 1]);
    expect(found(ran, 'password-file-malformed')[0]?.args).toEqual({ hint: 'crlf' });
    expect([ran.verdict('bearer'), ran.evidence('form')]).toEqual(['pass', 'the right password is refused']);
  });

  it('is not posted where PASSWORD has no second line', async () => {
    stage.change(PATHS.password, stage.tree.bearer);
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['password-file-malformed', 1]);
    expect(stage.tree.read(PATHS.password)).toBe(stage.tree.bearer);
  });

  it('says that no password is known', async () => {
    stage.tree.edit(PATHS.env, /COMFYUI_PASSWORD=.*\n/, '');
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.verdict('form')]).toEqual([null, 'skip']);
    expect(ran.evidence('form')).toBe('no password that fits the bearer is known');
  });
});

it('says that no bearer is known, and whether the server keeps out', async () => {
  await stage.serve();
  stage.contain();
  stage.tree.edit(PATHS.env, /COMFYUI_(?:BEARER_TOKEN|PASSWORD)=.*\n/g, '');
  stage.tree.write(PATHS.token, '');
  const ran = await stage.doctor();
  expect([ran.cause, ran.code]).toEqual(['credential-unknown', 1]);
  expect([ran.verdict('protected'), ran.verdict('login-node'), ran.verdict('bearer')]).toEqual([
    'pass',
    'pass',
    'fail',
  ]);
});
