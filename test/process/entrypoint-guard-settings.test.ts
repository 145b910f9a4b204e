import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cheapHash, freshPassword, UNPROVEN } from './entrypoint-harness.ts';
import { GuardStage, layGuard } from './guard-stage.ts';

let stage: GuardStage;
beforeEach(async () => {
  stage = await GuardStage.make();
});
afterEach(() => stage.remove());

const RESTORED = /^guard-restored: /m;

describe('no guard is put there', () => {
  test('where GUARD_COPY is off: one that stands there stays as it is', async () => {
    expect((await stage.start({ GUARD_COPY: 'off' })).code).toBe(UNPROVEN);
    expect(stage.names()).toEqual([]);
    layGuard(stage.guard);
    appendFileSync(join(stage.guard, 'install.py'), '#');
    const { code, output } = await stage.start({ GUARD_COPY: 'off', MAX_LOGIN_ATTEMPTS: '3' });
    expect([code, stage.content('install.py').endsWith('#')]).toEqual([UNPROVEN, true]);
    expect(output).not.toMatch(/setting-unread/);
  });

  test.each<[string, () => string, RegExp]>([
    ['that is not there', () => '/no/such/guard', /GUARD_COPY names \/no\/such\/guard, which is not there/],
    ['that is no path', () => 'guard', /GUARD_COPY names guard, which is no absolute path/],
    ['without a guard', () => stage.deployment.login, /GUARD_COPY: \S+ is no folder with the guard/],
  ])('a copy %s is refused (78)', async (_name, path, said) => {
    const { code, output } = await stage.start({ GUARD_COPY: path() });
    expect(output).toMatch(said);
    expect([code, stage.names()]).toEqual([78, []]);
  });

  test('against a white list: refused, with what to add to it, unless it is off', async () => {
    const list = ['--disable-all-custom-nodes', '--whitelist-custom-nodes', 'ComfyUI-Login'];
    const { code, output } = await stage.start(stage.withCopy({ QUERY_TOKEN: 'off' }), ...list);
    expect([code, stage.names()]).toEqual([78, []]);
    expect(output).toMatch(/add comfyui-auth-guard to --whitelist-custom-nodes.*\(guard-left-out, exit 78\)/);
    const off = await stage.start({ GUARD_COPY: 'off', QUERY_TOKEN: 'off' }, ...list);
    expect(off.code).toBe(UNPROVEN);
    expect(off.output).toMatch(/^setting-unread: warning: QUERY_TOKEN is not read/m);
    const listed = await stage.start(stage.withCopy(), ...list, 'comfyui-auth-guard');
    expect([RESTORED.test(listed.output), stage.names()]).toEqual([true, ['comfyui-auth-guard']]);
  });

  test('where an open server is meant: one that stands there is told so, and nobody else can say it', async () => {
    layGuard(stage.guard);
    const open = { COMFYUI_LOGIN_ENABLED: 'false', ALLOW_OPEN: 'yes-i-know' };
    const show = ['run', '--', 'sh', '-c', 'echo "sign: $COMFYUI_AUTH_OPEN."'];
    rmSync(stage.deployment.password);
    expect((await stage.deployment.end(show, stage.withCopy(open))).output).toMatch(/^sign: yes-i-know\.$/m);
    const serving = stage.deployment.start(['run'], stage.withCopy(open));
    await serving.said(/serving at/);
    expect(await serving.stop()).toBe(0);
    writeFileSync(stage.deployment.password, `${cheapHash(freshPassword())}\nada`);
    const others = stage.withCopy({ COMFYUI_AUTH_OPEN: 'yes-i-know' });
    expect((await stage.deployment.end(show, others)).output).toMatch(/^sign: \.$/m);
  });
});

describe('what the guard reads', () => {
  test.each<[string, string, boolean]>([
    ['MAX_LOGIN_ATTEMPTS', '1', true],
    ['MAX_LOGIN_ATTEMPTS', '1001', false],
    ['MAX_LOGIN_ATTEMPTS', '0', false],
    ['MAX_LOGIN_ATTEMPTS', '2.5', false],
    ['SESSION_EXPIRE_HOURS', '0.5', true],
    ['SESSION_EXPIRE_HOURS', '8760', true],
    ['SESSION_EXPIRE_HOURS', '8761', false],
    ['SESSION_EXPIRE_HOURS', '0', false],
    ['SESSION_EXPIRE_HOURS', '1e3', false],
    ['TRUSTED_PROXIES', '10.0.0.5, 172.16.0.1/12 fd00::/8', true],
    ['TRUSTED_PROXIES', '10.0.0.5/33', false],
    ['TRUSTED_PROXIES', 'proxy.example', false],
    ['TRUSTED_PROXIES', 'fe80::1%eth0', false],
    ['BEARER_PASSWORD', 'Off', true],
    ['BEARER_PASSWORD', 'never', false],
    ['QUERY_TOKEN', '0', true],
    ['QUERY_TOKEN', '?', false],
    ['KEEP_SESSIONS', 'YES', true],
    ['KEEP_SESSIONS', 'some', false],
    ['RELOAD_GRACE', '2m', true],
    ['RELOAD_GRACE', '61m', false],
    ['METRICS_TOKEN', 'x'.repeat(16), true],
    ['METRICS_TOKEN', 'x'.repeat(15), false],
    ['METRICS_TOKEN', `${'x'.repeat(16)} y`, false],
    ['METRICS_TOKEN_FILE', '/dev/null', false],
  ])('%s=%s: %s', async (name, value, good) => {
    const env = stage.withCopy({ [name]: value });
    const { code, output } = await stage.deployment.end(
      ['run', '--', 'sh', '-c', `printf 'got: %s.' "$${name}"`],
      env,
    );
    expect(output.includes(name)).toBe(!good);
    expect(code).toBe(good ? UNPROVEN : 78);
    if (!good) expect(output).toMatch(new RegExp(`^refused: ${name}.*Remedy: \\S`, 'm'));
    if (good && name !== 'METRICS_TOKEN') expect(output).toContain(`got: ${value}.`);
  });

  test('reaches it by ComfyUI’s environment, and the token of the metrics never the log', async () => {
    const token = `metrics-${freshPassword()}`;
    const file = join(stage.deployment.folder, 'metrics');
    writeFileSync(file, `${token}\n`);
    const shell = (words: string) => ['run', '--', 'sh', '-c', words];
    const plain = stage.withCopy({ METRICS_TOKEN: token });
    const first = await stage.deployment.end(
      shell('echo "$METRICS_TOKEN" && test -n "$METRICS_TOKEN"'),
      plain,
    );
    const second = await stage.deployment.end(
      shell('cat "$METRICS_TOKEN_FILE"'),
      stage.withCopy({ METRICS_TOKEN_FILE: file }),
    );
    for (const { code, output } of [first, second]) {
      expect(code).toBe(UNPROVEN);
      expect(output).toContain('[secret]');
      expect(output).not.toContain(token);
    }
    const twice = await stage.start(stage.withCopy({ METRICS_TOKEN: token, METRICS_TOKEN_FILE: file }));
    expect([twice.code, /METRICS_TOKEN and METRICS_TOKEN_FILE are both set/.test(twice.output)]).toEqual([
      78,
      true,
    ]);
  });
});

describe('preflight says what the next start will do, and changes nothing', () => {
  const check = async (copy: string, ...args: string[]) => {
    const words = ['preflight', '--json', '--', 'true', 'main.py', ...args];
    const { code, stdout } = await stage.deployment.end(words, { GUARD_COPY: copy });
    const { checks } = JSON.parse(stdout) as { checks: { id: string; verdict: string; message: string }[] };
    return { exit: code, ...checks.find(({ id }) => id === 'guard') };
  };

  test.each<[string, () => void, string, RegExp]>([
    ['as it should be', () => layGuard(stage.guard), 'pass', /custom_nodes\/comfyui-auth-guard$/],
    ['absent', () => undefined, 'pass', /is not there: the next start restores it from/],
    [
      'another',
      () => {
        layGuard(stage.guard);
        writeFileSync(join(stage.guard, 'bcrypt.py'), '');
      },
      'pass',
      /^bcrypt\.py is added: the next start restores it from/,
    ],
  ])('%s', async (_name, lay, verdict, message) => {
    lay();
    const before = stage.paths();
    expect(await check(stage.copy)).toMatchObject({ verdict, message: expect.stringMatching(message) });
    expect(stage.paths()).toEqual(before);
  });

  test('off, or left out by a white list', async () => {
    expect(await check('off')).toMatchObject({
      verdict: 'skip',
      message: expect.stringMatching(/GUARD_COPY/),
    });
    const list = ['--disable-all-custom-nodes', '--whitelist-custom-nodes', 'ComfyUI-Login'];
    const remedy = expect.stringMatching(/add comfyui-auth-guard to --whitelist-custom-nodes/);
    expect(await check(stage.copy, ...list)).toMatchObject({ exit: 78, verdict: 'fail', remedy });
  });

  test('a copy that is none: refused', async () => {
    expect(await check(stage.deployment.login)).toMatchObject({ exit: 78, verdict: 'fail' });
  });
});
