import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bearers, passwords, rotationStage } from './entrypoint-rotation-stage.ts';

const stage = rotationStage();

/** Since when it is in the state that it is in: another time says that it has looked at the files. */
const since = () => stage().deployment.health().since;

/** Puts a new file in the place of the old one. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Removes a file, and writes it anew. */
function anew(path: string, text: string): void {
  rmSync(path);
  writeFileSync(path, text);
}

/** A folder of secrets as kubelet keeps it: each a link into `..data`, which is a link to the folder of the day. */
class KubernetesVolume {
  readonly #folder: string;
  #version = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder);
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  swap(secrets: Record<string, string>): void {
    const before = `..2026_${this.#version}`;
    const now = `..2026_${++this.#version}`;
    mkdirSync(this.path(now));
    for (const [name, text] of Object.entries(secrets)) {
      writeFileSync(join(this.path(now), name), text);
      if (!existsSync(this.path(name))) symlinkSync(join('..data', name), this.path(name));
    }
    symlinkSync(now, this.path('..data_tmp'));
    renameSync(this.path('..data_tmp'), this.path('..data'));
    rmSync(this.path(before), { recursive: true, force: true });
  }
}

describe('a file that is changed', () => {
  test('changes the credential of a ComfyUI that goes on, and ends the old sessions', async () => {
    const running = await stage().ready();
    expect(running.output).toMatch(/^ready: /m);
    expect(stage().deployment.health()).toMatchObject({ state: 'READY', guard: '0.1.0' });
    const [child, cookie] = [stage().deployment.childPid, await stage().session(passwords[0])];
    expect((await stage().deployment.ask('/system_stats', cookie)).status).toBe(200);

    stage().hand(1);
    await running.said(/^rotated: .*sessions: ended$/m);

    expect(await stage().taken()).toEqual([401, 200, 401]);
    expect((await stage().deployment.ask('/system_stats', cookie)).status).toBe(401);
    await expect.poll(() => stage().deployment.health().state).toBe('READY');
    expect(stage().deployment.childPid).toBe(child);
    expect(stage().deployment.bearer).toBe(bearers[1]);
    await stage().endUnbroken(running);
  });

  test('is told with the bearer’s name, what became of the sessions, and how long it took', async () => {
    const running = stage().deployment.start(['run'], {
      GUARD_COPY: 'off',
      LOG_FORMAT: 'json',
      ...stage().pair(),
    });
    await running.said(/"event":"ready".*"guard":"0\.1\.0"}/);
    stage().hand(1);
    await running.said(/"event":"rotated".*}/);
    const [line = ''] = /^{"time".*"event":"rotated".*}$/m.exec(running.output) ?? [];
    const credential = createHash('sha256').update(bearers[1]).digest('hex').slice(0, 8);
    expect(JSON.parse(line)).toMatchObject({ level: 'info', credential, sessions: 'ended' });
    expect(JSON.parse(line).ms).toBeGreaterThanOrEqual(50);
    expect(await running.stop()).toBe(0);
  });

  test('again and again is taken over each time', async () => {
    const running = await stage().ready();
    for (const [times, index] of [1, 2, 0, 1, 2].entries()) {
      stage().hand(index as 0 | 1 | 2);
      await running.saidTimes('rotated', times + 1);
      expect(await stage().statusAs(bearers[index] ?? '')).toBe(200);
    }
    expect(await stage().taken()).toEqual([401, 401, 200]);
    await stage().endUnbroken(running);
  });

  test('the password alone gives a new bearer', async () => {
    const running = await stage().ready({ COMFYUI_PASSWORD_FILE: stage().files.password });
    const first = stage().deployment.bearer;
    writeFileSync(stage().files.password, passwords[1]);
    await running.said(/^rotated/m);
    expect(running.output).toMatch(/^credential: warning: the token changed/m);
    expect([await stage().statusAs(first), await stage().statusAs(stage().deployment.bearer)]).toEqual([
      401, 200,
    ]);
    expect((await stage().deployment.ask('/system_stats', await stage().session(passwords[1]))).status).toBe(
      200,
    );
    await stage().endUnbroken(running);
  });

  test('while ComfyUI starts is taken over once it is ready', async () => {
    const gate = join(stage().deployment.folder, 'gate');
    const script = `while ! test -e '${gate}'; do sleep 0.05; done; ${stage().deployment.serve()}`;
    const running = stage().deployment.start(['run', '--', 'sh', '-c', script], {
      GUARD_COPY: 'off',
      ...stage().pair(),
    });
    await running.said(/^starting/m);
    stage().hand(1);
    writeFileSync(gate, '');
    await running.said(/^rotated/m);
    expect(await stage().taken()).toEqual([401, 200, 401]);
    await stage().endUnbroken(running);
  });

  test('into a wrong one for good is said once, and all stays', async () => {
    const running = await stage().ready();
    writeFileSync(stage().files.bearer, bearers[1]);
    await running.said(/^reload-refused: .*stays as it was\. Remedy: /m);
    expect(await stage().taken()).toEqual([200, 401, 401]);
    // Whatever else would have been said of it came before this.
    stage().hand(2);
    await running.said(/^rotated/m);
    expect(running.count('reload-refused')).toBe(1);
    await stage().endUnbroken(running);
  });

  test.each<[string, () => void]>([
    ['it does not fit the other one yet', () => writeFileSync(stage().files.password, passwords[1])],
    ['half of it is there', () => writeFileSync(stage().files.bearer, bearers[1].slice(0, 30))],
  ])('is not worth a word while more is to come: %s', async (_, begin) => {
    const running = await stage().ready();
    const before = since();
    begin();
    await expect.poll(since).not.toBe(before);
    stage().hand(1);
    await running.said(/^rotated/m);
    expect(running.count('reload-refused')).toBe(0);
    expect(await stage().taken()).toEqual([401, 200, 401]);
    await stage().endUnbroken(running);
  });

  test.each<[string, (path: string, text: string) => void]>([
    ['in place', writeFileSync],
    ['by a rename', replace],
    ['by removing it first', anew],
  ])('is taken over within half a second: %s', async (_, write) => {
    const running = await stage().ready();
    write(stage().files.password, passwords[1]);
    const written = performance.now();
    write(stage().files.bearer, bearers[1]);
    await expect.poll(() => stage().statusAs(bearers[0]), { interval: 10, timeout: 2000 }).toBe(401);
    expect(performance.now() - written).toBeLessThan(500);
    await stage().endUnbroken(running);
  });

  test('is found through the links of Kubernetes, time and again', async () => {
    const volume = new KubernetesVolume(join(stage().deployment.folder, 'volume'));
    volume.swap({ password: passwords[0], bearer: bearers[0] });
    const env = {
      COMFYUI_PASSWORD_FILE: volume.path('password'),
      COMFYUI_BEARER_TOKEN_FILE: volume.path('bearer'),
    };
    const running = await stage().ready(env);
    for (const [times, index] of ([1, 2, 0] as const).entries()) {
      volume.swap({ password: passwords[index], bearer: bearers[index] });
      await running.saidTimes('rotated', times + 1);
    }
    expect(await stage().taken()).toEqual([200, 401, 401]);
    await stage().endUnbroken(running);
  });

  test('with the same content changes nothing, and nothing is said', async () => {
    const running = await stage().ready();
    replace(stage().files.bearer, bearers[0]);
    writeFileSync(stage().files.password, `${passwords[0]}\n`);
    // A signal is heard after it, and says that it is the same; a change would have been told before.
    running.process.kill('SIGHUP');
    await running.said(/^reloaded/m);
    stage().hand(1);
    await running.said(/^rotated/m);
    expect([running.count('reloaded'), running.count('rotated')]).toEqual([1, 1]);
    await stage().endUnbroken(running);
  });
});
