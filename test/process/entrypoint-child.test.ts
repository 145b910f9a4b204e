import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword, UNPROVEN } from './entrypoint-harness.ts';

const password = freshPassword();
const hash = cheapHash(password);

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${hash}\nada`);
});
afterEach(() => deployment.remove());

const shell = (script: string) => ['run', '--', 'sh', '-c', script];

/** Gone, or dead and not yet collected by whoever inherits it. */
function isGone(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || readFileSync(stat, 'utf8').includes(') Z');
}

test('without a command it starts ComfyUI with its port, its origin and its arguments', async () => {
  const said = join(deployment.folder, 'argv');
  const log = `case "$1" in -c) ;; *) printf '%s\\n' "$@" > '${said}';; esac`;
  const standIn = readFileSync(deployment.python, 'utf8').split('\n')[1] ?? '';
  deployment.setPython(`${log}\n${standIn}`);
  const running = deployment.start(['run'], {
    COMFYUI_CORS_ORIGIN: 'https://ui.example',
    COMFYUI_ARGS: `--cpu --output-directory "a b"`,
  });
  await running.said(/^ready: protected and answering at http:\/\/127\.0\.0\.1:\d+/m);
  expect(readFileSync(said, 'utf8').trim().split('\n')).toEqual([
    ...['-u', 'main.py', '--listen', '0.0.0.0', '--port', String(deployment.port)],
    ...['--enable-cors-header', 'https://ui.example', '--cpu', '--output-directory', 'a b'],
  ]);
  expect(await running.stop()).toBe(0);
});

test('the child’s environment has no part of the credential, and all the rest', async () => {
  const file = join(deployment.folder, 'env');
  const secrets = {
    COMFYUI_USERNAME: 'ada',
    COMFYUI_PASSWORD: password,
    COMFYUI_RAW_TOKEN: password,
    COMFYUI_API_TOKEN: hash,
    COMFYUI_AUTH_TOKEN: hash,
    QWEN_API_USER_TOKEN: password,
    raw_token: password,
    bcrypt_hash: hash,
    COMFYUI_AUTH_SECRET_KEY: freshPassword().padEnd(40, 'k'),
    SECRET_KEY_FILE: '',
    COMFYUI_BEARER_TOKEN_FILE: join(deployment.folder, 'token'),
  };
  writeFileSync(secrets.COMFYUI_BEARER_TOKEN_FILE, hash);
  const kept = { HF_TOKEN: freshPassword(), CIVITAI_TOKEN: freshPassword(), TZ: 'Europe/Paris' };
  await deployment.end(shell(`env > '${file}'`), { ...secrets, ...kept });
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  for (const [name, value] of Object.entries(kept)) expect(lines).toContain(`${name}=${value}`);
  const names = lines.map((line) => line.split('=')[0]);
  for (const name of Object.keys(secrets)) expect(names).not.toContain(name);
});

test('the token, the password and the keys never show up, in no form', async () => {
  const env = {
    COMFYUI_PASSWORD: password,
    COMFYUI_BEARER_TOKEN: hash,
    COMFYUI_AUTH_SECRET_KEY: freshPassword().padEnd(40, 'k'),
    HF_TOKEN: freshPassword(),
  };
  const values = Object.values(env);
  const script = join(deployment.folder, 'chatter.cjs');
  writeFileSync(
    script,
    `for (const value of ${JSON.stringify(values)}) {
      const forms = [value, encodeURIComponent(value), Buffer.from(value).toString('base64'),
        Buffer.from(value).toString('hex'), value.replaceAll('$', '$$$$'), JSON.stringify(value)];
      for (const form of forms) {
        process.stdout.write('out ' + form.slice(0, 9)); process.stdout.write(form.slice(9) + '\\n');
        process.stderr.write('\\rerr ' + form + '\\r');
      }
    }
    process.stdout.write('flood ' + ${JSON.stringify(hash)}.repeat(5000) + '.\\n');`,
  );
  const { code, output, stdout } = await deployment.end(['run', '--', process.execPath, script], env);
  expect(code).toBe(UNPROVEN);
  expect(output.match(/out \[secret\]|out "\[secret\]"/g)).toHaveLength(values.length * 6);
  expect(output.match(/err \[secret\]|err "\[secret\]"/g)).toHaveLength(values.length * 6);
  for (const value of values) expect(output).not.toContain(value.slice(7));
  // So much that the chunks of the pipe cut secrets in two.
  expect(stdout.replaceAll('[secret]', '')).toMatch(/^flood \.$/m);
});

test('what the node prints of its token at its start is blacked out', async () => {
  const running = deployment.start(['run']);
  await running.said(/^ready/m);
  expect(running.stderr).toContain('use token=[secret]');
  expect(running.output).not.toContain(hash.slice(7));
  await running.stop();
});

describe('how the child ends is how the container ends', () => {
  test.each([
    ['by itself', 'exit 7', 7],
    ['well, but before any proof: it was never ready', 'exit 0', UNPROVEN],
    ['killed', 'kill -9 $$', 137],
    ['interrupted', 'kill -2 $$', 130],
  ])('%s', async (_, script, expected) => {
    expect((await deployment.end(shell(script))).code).toBe(expected);
  });

  test('a command that is not there: 127; that may not be run: 126', async () => {
    expect((await deployment.end(['run', '--', '/nowhere/main'])).code).toBe(127);
    expect((await deployment.end(['run', '--', deployment.password])).code).toBe(126);
  });

  test('and what it leaves behind in its group is ended with it', async () => {
    const left = join(deployment.folder, 'left');
    expect((await deployment.end(shell(`sleep 600 & echo $! > '${left}'; exit 3`))).code).toBe(3);
    expect(isGone(Number(readFileSync(left, 'utf8')))).toBe(true);
  });

  test('after the proof as well', async () => {
    const running = deployment.start(['run'], { RESTART_BUDGET: '0' });
    await running.said(/^ready/m);
    process.kill(deployment.health().childPid ?? 0, 'SIGKILL');
    expect(await running.ended).toBe(137);
    expect(running.output).toMatch(/^restart-budget: ComfyUI ended with 137, and RESTART_BUDGET is spent/m);
    expect(deployment.health()).toMatchObject({ state: 'EXIT', ready: false });
  });
});

const STUBBORN = 'trap "echo interrupted" INT; trap "" TERM; echo armed; while :; do sleep 0.05; done';

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('%s stops ComfyUI cleanly', async (signal) => {
    const running = deployment.start(['run']);
    await running.said(/^ready/m);
    expect(await running.stop(signal)).toBe(0);
    expect(running.output).toMatch(/Stopped server/);
    expect(running.output).toMatch(/^stopping: /m);
  });

  test('a second SIGTERM kills', async () => {
    const running = deployment.start(shell(STUBBORN), { STOP_GRACE: '10m' });
    await running.said(/^armed/m);
    running.process.kill('SIGTERM');
    await running.said(/^interrupted/m);
    expect(await running.stop('SIGTERM')).toBe(137);
  });

  test('the end of the grace kills', async () => {
    const running = deployment.start(shell(STUBBORN), { STOP_GRACE: '300ms' });
    await running.said(/^armed/m);
    const asked = performance.now();
    expect(await running.stop('SIGTERM')).toBe(137);
    expect(performance.now() - asked).toBeGreaterThan(290);
  });

  test('before there is a child it is a clean stop, without a start', async () => {
    const asked = join(deployment.folder, 'asked');
    deployment.setPython(`touch '${asked}'; exec sleep 60`);
    const running = deployment.start(['run']);
    await running.said(/^start: /m);
    await expect.poll(() => existsSync(asked), { timeout: 30_000 }).toBe(true);
    expect(await running.stop()).toBe(0);
    expect(running.output).not.toMatch(/^starting/m);
  });
});

describe('a start that does not come to a proof', () => {
  test('nothing answers before the deadline: 69', async () => {
    const { code, output } = await deployment.end(shell('exec sleep 60'), {
      VERIFY_TIMEOUT: '1s',
      STOP_GRACE: '100ms',
    });
    expect(code).toBe(69);
    expect(output).toMatch(/^refused: never ready: .*\(down, exit 69\)$/m);
  });

  test('it ends well by itself: no success, 69, and that is said', async () => {
    const { code, output } = await deployment.end(shell('sleep 1'));
    expect(code).toBe(UNPROVEN);
    expect(output).toMatch(/^refused: never ready: .*\(ended-unproven, exit 69\)$/m);
    expect(deployment.healthcheck().code).toBe(1);
  });

  test('it reads another PASSWORD file: 78', async () => {
    const other = await Deployment.make();
    writeFileSync(other.password, `${cheapHash(freshPassword())}\nada`);
    const serve = other.serve().replaceAll(String(other.port), String(deployment.port));
    const { code, output } = await deployment.end(shell(`cd '${other.comfyui}'; ${serve}`));
    other.remove();
    expect(code).toBe(78);
    expect(output).toMatch(/^refused: .*\(bearer-refused, exit 78\)$/m);
  });

  test('what cannot be asked is not left running', async () => {
    const { code } = await deployment.end([...shell('sleep 600'), 'sh', '--listen', 'no host']);
    expect(code).toBe(78);
    expect(isGone(deployment.health().childPid ?? 0)).toBe(true);
  });

  test('it answers only its own origin: the proof asks as that origin', async () => {
    const serve = ['run', '--', deployment.python, '-u', 'main.py', '--port', String(deployment.port)];
    const running = deployment.start([...serve, '--enable-cors-header', 'https://ui.example']);
    await running.said(/^ready/m);
    expect(await running.stop()).toBe(0);
  });
});

test('LOG_FORMAT=json: every event is one line of JSON, `ready` among them', async () => {
  const running = deployment.start(['run'], { LOG_FORMAT: 'json' });
  await running.said(/"event":"ready"/);
  await running.stop();
  const events = running.stdout.split('\n').filter((line) => line.startsWith('{'));
  expect(events.map((line) => JSON.parse(line).event)).toEqual(
    expect.arrayContaining(['start', 'credential', 'starting', 'ready', 'stopping', 'exit']),
  );
  expect(JSON.parse(events.find((line) => line.includes('"ready"')) ?? '')).toMatchObject({
    level: 'info',
    url: `http://127.0.0.1:${deployment.port}`,
    readyAfterMs: expect.any(Number),
  });
});

test('an event begins a line of its own, even where the child left one open', async () => {
  const { stdout } = await deployment.end(shell('printf "half a line"; exit 3'));
  expect(stdout).toMatch(/half a line\nexit: ended with 3\n$/);
});
