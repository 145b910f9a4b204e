import { rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint, Secret } from '../../src/model/secret.ts';
import { layGuard } from '../../src/stand-in/tree.ts';
import { found, PATHS } from './deployment.ts';
import { LiveStage } from './live-stage.ts';

let stage: LiveStage;
beforeEach(() => {
  stage = new LiveStage();
});
afterEach(() => stage.remove());

const named = (bearer: string) => fingerprint(new Secret(bearer));

/** ComfyUI with its login node and the guard, in a container that is well. */
async function serveGuarded(): Promise<void> {
  layGuard(stage.comfyui);
  await stage.serve();
  stage.contain();
}

/** Puts something before the server that answers `/healthz` by itself, and hands on all else. */
async function answerHealth(status: number, body: unknown): Promise<void> {
  const behind = stage.port;
  const server = createServer((incoming, response) => {
    if (incoming.url === '/healthz') {
      response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
      return;
    }
    const { method = 'GET', url = '/', headers } = incoming;
    const outgoing = request({ host: '127.0.0.1', port: behind, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(outgoing);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  stage.use((server.address() as AddressInfo).port, server);
  stage.contain();
}

/** What a guard says to whom it knows. */
const known = (more: object = {}) => ({
  status: 'ok',
  guard: { version: '0.1.0', reload: true },
  credential: named(stage.tree.bearer),
  ...more,
});

const probe = (...args: string[]) => stage.run('probe', ['--json', '--timeout', '5s', ...args]);
const guardOf = (ran: { json?: { services: { guard: unknown }[] } }) => ran.json?.services[0]?.guard;
const codes = (ran: { json: { findings: { code: string }[] } }) => ran.json.findings.map((one) => one.code);

describe('probe', () => {
  it('says that the guard is there, and finds nothing open', async () => {
    await serveGuarded();
    const ran = await probe();
    expect([ran.code, ran.json.status, codes(ran)]).toEqual([0, 'proved', []]);
    expect(guardOf(ran)).toEqual({ present: true, version: '0.1.0', reload: true });
    const text = await stage.run('probe');
    expect(text.stdout).toContain('\n  guard 0.1.0, reloads without a restart\n');
  });

  it('says that it is not there: then nothing closes the suffix hole', async () => {
    await stage.serve();
    const ran = await probe();
    expect([ran.code, guardOf(ran)]).toEqual([0, { present: false }]);
    expect(found(ran, 'open-by-suffix')[0]?.severity).toBe('warning');
    expect((await stage.run('probe')).stdout).toContain('\n  no guard is there\n');
  });

  it('does not know it of a server that refuses the bearer, that is open, or that does not answer', async () => {
    const right = stage.tree.read(PATHS.password);
    stage.change(PATHS.password, `${stage.another()}\nadmin`);
    await serveGuarded();
    stage.change(PATHS.password, right);
    const refused = await probe();
    expect([refused.code, guardOf(refused)]).toEqual([1, null]);
    expect((await stage.run('probe')).stdout).toContain('\n  whether a guard is there is not known\n');
    stage.withoutNode();
    rmSync(`${stage.comfyui}/custom_nodes/comfyui-auth-guard`, { recursive: true });
    await stage.serve();
    const open = await probe();
    expect([open.code, guardOf(open)]).toEqual([4, null]);
    await stage.useNothing();
    const dead = await probe('--timeout', '1s');
    expect([dead.code, guardOf(dead)]).toEqual([3, null]);
  });

  it('finds the suffix hole critical where the guard is there and leaves it open', async () => {
    await stage.serve();
    await answerHealth(200, known());
    const ran = await probe();
    expect([ran.code, ran.json.status]).toEqual([0, 'proved']);
    expect(found(ran, 'open-by-suffix')[0]?.severity).toBe('critical');
  });

  // The server has taken all the time there was: the guard has a moment, which a busy machine may not give it.
  it('says why the guard lets nobody in', { retry: 3 }, async () => {
    await serveGuarded();
    rmSync(stage.tree.path(PATHS.password));
    const ran = await probe('--timeout', '1s');
    expect([ran.code, ran.json.status, codes(ran)]).toEqual([3, 'not-ready', ['guard-closed']]);
    const closed = 'password-missing';
    expect(guardOf(ran)).toEqual({ present: true, version: '0.1.0', reload: true, closed });
    const [finding] = found(ran, 'guard-closed');
    expect(finding).toMatchObject({ severity: 'error', args: { reason: closed } });
    expect(finding?.message).toContain('login/PASSWORD is missing');
    expect(finding?.remedy).toMatch(/^comfyui-auth deploy /);
  });

  it.each<[string, number, () => unknown]>([
    ['a page', 200, () => '<!doctype html>'],
    ['another health', 200, () => ({ status: 'healthy' })],
    ['a list', 200, () => []],
    ['a version that is none', 200, () => known({ guard: { version: stage.tree.bearer, reload: true } })],
    ['a reload that is none', 200, () => known({ guard: { version: '0.1.0', reload: 'yes' } })],
    ['a credential that is no fingerprint', 200, () => known({ credential: stage.tree.password })],
    ['a status that does not fit', 503, () => known()],
    ['too much', 200, () => JSON.stringify(known({ more: 'x'.repeat(100_000) }))],
  ])('takes %s for no guard that it knows, and repeats nothing of it', async (_, status, body) => {
    await stage.serve();
    await answerHealth(status, body());
    const ran = await probe();
    expect(ran.code).toBe(0);
    expect([null, { present: false }]).toContainEqual(guardOf(ran));
    expect(found(ran, 'open-by-suffix')[0]?.severity).toBe('warning');
  });

  it('names no reason that is not of the right shape', async () => {
    await stage.serve();
    await answerHealth(503, known({ status: 'closed', reason: `of ${stage.tree.password}` }));
    expect(guardOf(await probe())).toMatchObject({ present: true, closed: 'unknown' });
  });
});

describe('doctor', () => {
  it('finds all well with the guard', async () => {
    await serveGuarded();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.json.findings]).toEqual([null, 0, []]);
    expect([ran.verdict('guard'), ran.verdict('suffix')]).toEqual(['pass', 'pass']);
    expect(ran.evidence('guard')).toBe(
      'the guard 0.1.0 runs; it takes a new credential without a restart; ' +
        `its bearer is ${named(stage.tree.bearer)}, as in the files`,
    );
  });

  it('takes its absence for no cause', async () => {
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect([ran.cause, ran.code, ran.verdict('guard')]).toEqual([null, 0, 'skip']);
    expect(ran.evidence('guard')).toMatch(/^none runs: /);
  });

  it('names why the guard lets nobody in, and asks nothing more', async () => {
    await serveGuarded();
    rmSync(stage.tree.path(PATHS.password));
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['guard-closed', 1]);
    expect([ran.verdict('http'), ran.evidence('http')]).toEqual(['pass', 'it answers (HTTP 503)']);
    expect(ran.verdict('guard')).toBe('fail');
    expect(ran.evidence('guard')).toContain('it lets nobody in (password-missing)');
    expect([ran.verdict('protected'), ran.verdict('bearer')]).toEqual(['skip', 'skip']);
    expect(codes(ran)).not.toContain('not-ready');
  });

  it('holds what the guard leaves open for the cause', async () => {
    await stage.serve();
    await answerHealth(200, known());
    const ran = await stage.doctor();
    expect([ran.cause, ran.code]).toEqual(['open-by-suffix', 1]);
  });

  it('tells the bearer that is live from that of the files, which holds on for a while', async () => {
    await stage.serve();
    await answerHealth(200, known({ credential: '01234567' }));
    const ran = await stage.doctor();
    expect(ran.evidence('guard')).toContain(
      `its bearer is 01234567, that of the files ${named(stage.tree.bearer)}`,
    );
  });

  it.each(['a container', 'no container'])(
    'finds that the guard has not read PASSWORD again: %s',
    async (how) => {
      const right = stage.tree.read(PATHS.password);
      stage.change(PATHS.password, `${stage.another()}\nadmin`);
      await serveGuarded();
      stage.change(PATHS.password, right);
      if (how === 'no container') stage.layout('', '{ driver: none }');
      const ran = await stage.doctor();
      expect([ran.cause, ran.code]).toEqual(['stale-process', 1]);
      expect(ran.evidence('guard')).toBe('a guard runs, and does not know this bearer');
      const [stale] = found(ran, 'stale-process');
      expect(stale?.location?.path).toBe(stage.tree.path(PATHS.password));
      expect(stale?.remedy).toMatch(/^comfyui-auth deploy .*# a reload by the guard, where that is enough$/);
    },
  );

  it('blames no guard where PASSWORD itself holds another bearer', async () => {
    stage.change(PATHS.password, `${stage.another()}\nadmin`);
    await serveGuarded();
    const ran = await stage.doctor();
    expect(codes(ran)).not.toContain('stale-process');
    expect([ran.cause, ran.code]).toEqual(['bearer-refused', 1]);
  });
});

describe('audit --live', () => {
  const audit = () => stage.run('audit', ['--live', '--json', '--timeout', '5s']);

  it('knows what the guard is to close', async () => {
    await stage.serve();
    await answerHealth(200, known());
    expect(found(await audit(), 'open-by-suffix')[0]?.severity).toBe('critical');
  });

  it('says why the guard lets nobody in', async () => {
    await serveGuarded();
    rmSync(stage.tree.path(PATHS.password));
    const ran = await audit();
    expect(codes(ran)).toContain('guard-closed');
    expect(codes(ran)).not.toContain('not-ready');
  });
});
