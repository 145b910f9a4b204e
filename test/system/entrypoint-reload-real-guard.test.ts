import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LOGIN_NODE } from '../../src/stand-in/tree.ts';
import { cheapHash, Deployment, freshPassword } from '../process/entrypoint-harness.ts';
import { PYTHON, withoutPython } from './guard/python.ts';
import { GUARD, GUARD_NODE, LOGIN_NODES } from './guard/rig.ts';

const image = resolve(import.meta.dirname, 'image');
const ROTATIONS = 20;
/** Between two requests of a client. */
const EVERY_MS = 20;

interface Pair {
  password: string;
  bearer: string;
}

function fresh(): Pair {
  const password = freshPassword();
  return { password, bearer: cheapHash(password) };
}

const figures: string[] = [];
afterAll(() => console.log(figures.join('\n')));

describe.skipIf(withoutPython()).each(LOGIN_NODES)('files that change, the guard, and $name', (login) => {
  let deployment: Deployment;
  let files: Pair;
  let pair: Pair;
  const used: Pair[] = [];
  beforeEach(async () => {
    deployment = await Deployment.make();
    const copy = (from: string, to: string) => {
      const isLeft = (path: string) => ['__pycache__', '.git', '.secret-key.txt'].includes(basename(path));
      cpSync(from, join(deployment.comfyui, to), { recursive: true, filter: (path) => !isLeft(path) });
    };
    rmSync(deployment.node, { recursive: true });
    copy(join(image, 'comfyui'), '.');
    copy(login.folder, LOGIN_NODE);
    copy(GUARD, GUARD_NODE);
    deployment.setPython(`PYTHONDONTWRITEBYTECODE=1 exec '${PYTHON}' "$@"`);
    files = { password: join(deployment.folder, 'secret'), bearer: join(deployment.folder, 'bearer') };
    hand(fresh());
  });
  afterEach(() => {
    const secrets = used.splice(0).flatMap(({ password, bearer }) => [password, bearer.slice(7)]);
    for (const hidden of secrets) expect(deployment.everythingSaid).not.toContain(hidden);
    deployment.remove();
  });

  function hand(next: Pair): void {
    pair = next;
    used.push(next);
    writeFileSync(files.password, next.password);
    writeFileSync(files.bearer, next.bearer);
  }

  async function ready(env: Record<string, string> = {}) {
    const running = deployment.start(['run'], {
      ...{ GUARD_COPY: 'off', LOGIN_NODE_COPY: 'off', LOGIN_NODE_PIN: 'off' },
      ...{ COMFYUI_PASSWORD_FILE: files.password, COMFYUI_BEARER_TOKEN_FILE: files.bearer },
      ...env,
    });
    await running.said(/^ready/m);
    return running;
  }

  const statusAs = async (bearer: string) =>
    (await deployment.ask('/system_stats', { headers: { authorization: `Bearer ${bearer}` } })).status;

  test(`are taken over ${ROTATIONS} times; each time the old bearer is refused within half a second`, async () => {
    const running = await ready();
    const took: number[] = [];
    for (let round = 1; round <= ROTATIONS; round++) {
      const old = pair.bearer;
      hand(fresh());
      const handed = performance.now();
      await expect.poll(() => statusAs(old), { interval: 10, timeout: 5000 }).not.toBe(200);
      took.push(Math.round(performance.now() - handed));
      await running.saidTimes('rotated', round);
      expect(await statusAs(pair.bearer)).toBe(200);
    }
    took.sort((a, b) => a - b);
    figures.push(
      `${login.name}: old bearer refused after ${took[ROTATIONS / 2]} ms (median), ${took.at(-1)} ms (most)`,
    );
    expect(took[ROTATIONS / 2]).toBeLessThan(500);
    expect(running.count('reload-by-restart') + running.count('reload-refused')).toBe(0);
    expect(await running.stop()).toBe(0);
  });

  test('lose no request of a client that changes over within the grace', async () => {
    const running = await ready({ RELOAD_GRACE: '10s' });
    let bearer = pair.bearer;
    const answers: Promise<number>[] = [];
    const client = setInterval(() => answers.push(statusAs(bearer)), EVERY_MS);
    for (let round = 1; round <= ROTATIONS; round++) {
      hand(fresh());
      await running.saidTimes('rotated', round);
      bearer = pair.bearer;
    }
    clearInterval(client);
    const statuses = await Promise.all(answers);
    figures.push(`${login.name}: ${statuses.length} requests across ${ROTATIONS} changes`);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect(statuses.length).toBeGreaterThan(ROTATIONS);
    expect(running.count('reload-by-restart')).toBe(0);
    expect(await running.stop()).toBe(0);
  });

  test('with another user name: the page of the form has it, and the bearer stays', async () => {
    const name = join(deployment.folder, 'name');
    writeFileSync(name, 'ada');
    const running = await ready({ COMFYUI_USERNAME_FILE: name });
    writeFileSync(name, 'grace');
    await running.said(/^rotated: user grace/m);
    expect(await statusAs(pair.bearer)).toBe(200);
    expect(await (await deployment.ask('/login', { headers: {} })).text()).toContain('grace');
    expect(await running.stop()).toBe(0);
  });

  test('PASSWORD that is lost is put back, and the guard answers again', async () => {
    const running = await ready();
    rmSync(deployment.password);
    await running.said(/^password-restored/m);
    await expect.poll(() => statusAs(pair.bearer)).toBe(200);
    expect(await running.stop()).toBe(0);
  });
});
