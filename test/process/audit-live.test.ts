import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { found, PATHS, type Ran } from './deployment.ts';
import { CONTAINER, LiveStage, SERVICE } from './live-stage.ts';

let stage: LiveStage;
beforeEach(() => {
  stage = new LiveStage();
});
afterEach(() => stage.remove());

const audit = (...args: string[]) => stage.run('audit', ['--live', '--json', '--timeout', '5s', ...args]);

interface Row {
  path: string;
  kind: string;
  key?: string;
  state: string;
  fingerprint?: string;
}

const isLive = (one: { location?: { kind: string } }) =>
  ['container', 'server'].includes(one.location?.kind ?? '');

/** What the rows say of the container and the server: key or kind, and state. */
const live = (ran: Ran) =>
  (ran.json.services[0].locations as Row[])
    .filter((one) => one.kind === 'container' || one.kind === 'server')
    .map(({ path, kind, key, state }) => [kind === 'server' ? 'server' : (key ?? path), state]);

const INSIDE = `${CONTAINER}:/workspace/ComfyUI/login/PASSWORD`;

/** The rows of a service that is well, with what differs. */
const rows = (differing: Record<string, string> = {}) =>
  Object.entries({
    COMFYUI_USERNAME: 'ok',
    COMFYUI_PASSWORD: 'ok',
    COMFYUI_BEARER_TOKEN: 'ok',
    [INSIDE]: 'ok',
    server: 'ok',
    ...differing,
  });

describe('audit --live', () => {
  it('adds the container, PASSWORD inside it, and the server', async () => {
    await stage.serve();
    stage.contain();
    stage.says('exec', stage.tree.read(PATHS.password));
    const ran = await audit();
    expect(live(ran)).toEqual(rows());
    const { fingerprint, locations } = ran.json.services[0];
    expect(new Set(locations.flatMap((one: Row) => one.fingerprint ?? []))).toEqual(new Set([fingerprint]));
    expect(ran.json.findings.filter(isLive).map((one: { code: string }) => one.code)).toEqual([
      'open-by-suffix',
    ]);
    expect(ran.code).toBe(0);
    expect(stage.stub.calls('exec')[0]?.args.slice(2)).toEqual(['cat', '/workspace/ComfyUI/login/PASSWORD']);
    const text = (await stage.run('audit', ['--live'])).stdout;
    expect(text).toContain(`${CONTAINER} COMFYUI_BEARER_TOKEN`);
  });

  it('asks neither docker nor the server without it', async () => {
    stage.use(1);
    const ran = await stage.run('audit', ['--json']);
    expect([ran.json.status, ran.code, live(ran)]).toEqual(['clean', 0, []]);
    expect(stage.stub.calls()).toEqual([]);
  });

  it('finds a container that was given another bearer, by fingerprint', async () => {
    await stage.serve();
    stage.contain({ env: stage.env(stage.another()) });
    stage.says('exec', stage.tree.read(PATHS.password));
    const ran = await audit();
    expect(live(ran)).toEqual(rows({ COMFYUI_BEARER_TOKEN: 'drift' }));
    const [finding] = found(ran, 'container-env-drift');
    expect(finding?.location).toMatchObject({ path: CONTAINER, key: 'COMFYUI_BEARER_TOKEN' });
    expect(finding?.args).toMatchObject({ found: expect.any(String), expected: expect.any(String) });
    expect(ran.code).toBe(1);
    expect((await audit('--fail-on', 'critical')).code).toBe(0);
  });

  it('finds a damaged one, and an alias that no file names', async () => {
    await stage.serve();
    const env = stage.env(stage.tree.bearer.slice(0, 57));
    stage.contain({ env: [...env, `COMFYUI_API_TOKEN=${stage.another()}`] });
    stage.says('exec', stage.tree.read(PATHS.password));
    const ran = await audit();
    expect(Object.fromEntries(live(ran))).toMatchObject({
      COMFYUI_BEARER_TOKEN: 'malformed',
      COMFYUI_API_TOKEN: 'drift',
    });
    expect(found(ran, 'container-env-drift').map((one) => one.location?.key)).toEqual([
      'COMFYUI_BEARER_TOKEN',
      'COMFYUI_API_TOKEN',
    ]);
  });

  it('finds the old inode of a PASSWORD that was replaced on the host', async () => {
    await stage.serve();
    stage.contain();
    stage.says('exec', `${stage.another()}\nadmin`);
    const ran = await audit();
    expect(live(ran)).toEqual(rows({ [INSIDE]: 'drift' }));
    expect(found(ran, 'container-env-drift')[0]).toMatchObject({
      location: { path: INSIDE, kind: 'container' },
      args: { key: 'login/PASSWORD' },
    });
    expect(ran.code).toBe(1);
  });

  it('says once what the host and the container see alike', async () => {
    stage.change(PATHS.password, `${stage.another()}\nadmin`);
    await stage.serve();
    stage.contain();
    stage.says('exec', stage.tree.read(PATHS.password));
    const ran = await audit();
    expect(live(ran)).toEqual(rows({ [INSIDE]: 'drift', server: 'drift' }));
    expect(found(ran, 'container-env-drift')).toEqual([]);
    expect([found(ran, 'bearer-drift').length, found(ran, 'bearer-refused').length]).toEqual([1, 1]);
  });

  it.each([
    ['there is no cat', 126, 'OCI runtime exec failed: "cat": no such file or directory', 'unknown', 3],
    ['it is missing', 1, `cat: /workspace/ComfyUI/login/PASSWORD: No such file or directory`, 'missing', 1],
  ])('tells PASSWORD inside that cannot be read where %s', async (_, exit, stderr, state, code) => {
    await stage.serve();
    stage.contain();
    stage.stub.change((now) => {
      now.on.exec = { exit, stderr };
    });
    const ran = await audit();
    expect([live(ran), ran.code]).toEqual([rows({ [INSIDE]: state }), code]);
    expect(found(ran, 'password-file-missing').length).toBe(state === 'missing' ? 1 : 0);
  });

  it('ends with 4 where the server is open', async () => {
    stage.withoutNode();
    await stage.serve();
    stage.contain({ env: stage.env(stage.another()) });
    const ran = await audit();
    expect([Object.fromEntries(live(ran)).server, found(ran, 'open').length, ran.code]).toEqual([
      'drift',
      1,
      4,
    ]);
  });

  it('does not know what it could not ask: the engine, the server', async () => {
    await stage.useNothing();
    stage.stub.change((state) => {
      state.engine = 'down';
    });
    const ran = await audit();
    expect(live(ran)).toEqual([
      [SERVICE, 'unknown'],
      ['server', 'unknown'],
    ]);
    expect(ran.json.findings.map((one: { code: string }) => one.code)).toEqual([
      'engine-unreachable',
      'down',
    ]);
    expect([ran.json.status, ran.code]).toEqual(['findings', 3]);
  });

  it('ends with 1 where a file disagrees too', async () => {
    await stage.useNothing();
    stage.stub.change((state) => {
      state.engine = 'down';
    });
    stage.tree.write(PATHS.token, stage.another());
    expect((await audit()).code).toBe(1);
  });

  it('finds no container, and one that has ended', async () => {
    await stage.serve();
    const none = await audit();
    expect([live(none)[0], none.code]).toEqual([[SERVICE, 'missing'], 1]);
    expect(found(none, 'container-missing')).toHaveLength(1);
    stage.contain({ status: 'exited', exitCode: 1 });
    stage.says('exec', '', 1);
    const ended = await audit();
    expect(found(ended, 'container-exited')[0]?.args).toMatchObject({ exitCode: 1 });
    expect(Object.fromEntries(live(ended))).toMatchObject({
      COMFYUI_BEARER_TOKEN: 'ok',
      [INSIDE]: 'unknown',
    });
  });

  it('asks the server alone where the layout names no container', async () => {
    await stage.serve();
    stage.layout('', '{ driver: none }');
    const ran = await audit();
    expect([live(ran), ran.code]).toEqual([[['server', 'ok']], 0]);
    expect(stage.stub.calls()).toEqual([]);
  });
});
