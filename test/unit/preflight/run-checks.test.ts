import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ContainerExit, Refusal } from '../../../entrypoint/exit.ts';
import type { Log } from '../../../entrypoint/log.ts';
import { fail, type Outcome, type PreflightCheck, pass } from '../../../entrypoint/preflight/check.ts';
import { BOOT_CHECKS, DEEP_CHECKS } from '../../../entrypoint/preflight/checks.ts';
import {
  preflightExit,
  preflightJson,
  preflightText,
  tellPreflight,
} from '../../../entrypoint/preflight/report.ts';
import { asCheck, firstRefusal, runChecks } from '../../../entrypoint/preflight/run-checks.ts';
import { world } from './world.ts';

const check = (id: string, severity: PreflightCheck['severity'], outcome: Outcome): PreflightCheck => ({
  id,
  severity,
  run: () => outcome,
});

test('every check has an id of its own', () => {
  const ids = [...BOOT_CHECKS, ...DEEP_CHECKS].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('where all is well, no check of the boot fails, and it takes no time to speak of', async () => {
  const at = world();
  await runChecks(BOOT_CHECKS, at);
  const began = performance.now();
  const results = await runChecks(BOOT_CHECKS, at);
  // Far above the budget of 30 ms: the machine is shared.
  expect(performance.now() - began).toBeLessThan(300);
  expect(results.filter(({ verdict }) => verdict === 'fail')).toEqual([]);
  expect(results.map(({ id }) => id)).toEqual(BOOT_CHECKS.map(({ id }) => id));
  expect(firstRefusal(results)).toBeUndefined();
});

test('the first error that failed is the refusal; warnings and what is unknown are none', async () => {
  const results = await runChecks(
    [
      check('a', 'warning', fail('bad', 'mend it')),
      check('b', 'error', { verdict: 'unknown', message: 'who knows' }),
      check('c', 'error', fail('worse', 'mend that', ContainerExit.permission)),
      check('d', 'error', fail('worst', 'mend all')),
    ],
    world(),
  );
  expect(firstRefusal(results)).toMatchObject({ code: 'c', exit: 77, message: 'worse', remedy: 'mend that' });
  expect(preflightExit(results)).toBe(77);
  expect(preflightExit(results.slice(0, 2))).toBe(0);
  expect(preflightExit(results.slice(3))).toBe(78);
});

test('a refusal out of another part is a failed error with its own code; a fault is unknown, without its words', async () => {
  const refusing = asCheck('login', () => {
    throw new Refusal({ code: 'login-node-missing', exit: 77, message: 'it is not there', remedy: 'put it' });
  });
  const broken = asCheck('broken', () => {
    throw new SyntaxError('Unexpected token in hunter2-secret');
  });
  const results = await runChecks([refusing, broken, asCheck('fine', async () => 'it is there')], world());
  expect(results).toMatchObject([
    { id: 'login', severity: 'error', verdict: 'fail', code: 'login-node-missing', exit: 77 },
    { id: 'broken', verdict: 'unknown', message: 'the check itself failed: SyntaxError' },
    { id: 'fine', verdict: 'pass', message: 'it is there' },
  ]);
  expect(firstRefusal(results)?.code).toBe('login-node-missing');
  expect(JSON.stringify(results)).not.toContain('hunter2');
});

test('what takes too long is unknown, and holds up nothing else', async () => {
  const never: PreflightCheck = {
    id: 'never',
    severity: 'error',
    boundMs: 20,
    run: () => new Promise(() => undefined),
  };
  const results = await runChecks([never, check('a', 'error', pass('fine'))], world());
  expect(results.map(({ verdict }) => verdict)).toEqual(['unknown', 'pass']);
});

test('a stop ends the checks at once, with its own reason', async () => {
  const stop = new AbortController();
  const never: PreflightCheck = { id: 'n', severity: 'error', run: () => new Promise(() => undefined) };
  const running = runChecks([never], world({ signal: stop.signal }));
  const reason = new Error('stopped');
  stop.abort(reason);
  await expect(running).rejects.toBe(reason);
  await expect(runChecks([never], world({ signal: stop.signal }))).rejects.toBe(reason);
});

test('foreign words become one line, bounded, without a secret', async () => {
  const words = `driver says\nready: hunter2-secret\u001b[31m${'x'.repeat(5000)}`;
  const at = world({ redact: (text) => text.replaceAll('hunter2-secret', '[secret]') });
  const [result] = await runChecks([check('a', 'warning', fail(words, words))], at);
  for (const text of [result?.message ?? '', result?.remedy ?? '']) {
    expect(text).toContain('driver says ready: [secret]');
    expect(text).not.toMatch(/\p{Cc}/u);
    expect(text.length).toBeLessThan(700);
  }
});

test('text and JSON say the same, and JSON is one line', async () => {
  const results = await runChecks(
    [
      check('first', 'error', fail('bad', 'mend it', ContainerExit.io)),
      check('second-one', 'warning', fail('odd', 'look')),
      check('third', 'info', pass('fine')),
      check('fourth', 'info', { verdict: 'skip', message: 'not asked' }),
    ],
    world(),
  );
  expect(preflightText(results)).toBe(
    [
      'error    first       bad',
      '                     remedy: mend it',
      'warning  second-one  odd',
      '                     remedy: look',
      'pass     third       fine',
      'skip     fourth      not asked',
      '',
      '4 checks, errors 1, warnings 1, unknown 0; exit 74',
      '',
    ].join('\n'),
  );
  const json = preflightJson(results);
  expect(json.trim()).not.toContain('\n');
  expect(JSON.parse(json)).toEqual({
    v: 1,
    checks: [
      { id: 'first', severity: 'error', verdict: 'fail', message: 'bad', remedy: 'mend it', exit: 74 },
      { id: 'second-one', severity: 'warning', verdict: 'fail', message: 'odd', remedy: 'look' },
      { id: 'third', severity: 'info', verdict: 'pass', message: 'fine' },
      { id: 'fourth', severity: 'info', verdict: 'skip', message: 'not asked' },
    ],
    exitCode: 74,
  });
});

test('of a boot only the warnings that failed are told, one event each', async () => {
  const results = await runChecks(
    [
      check('a', 'warning', fail('odd', 'look')),
      check('b', 'info', fail('small', 'raise it')),
      check('c', 'warning', pass('fine')),
    ],
    world(),
  );
  const events: unknown[] = [];
  const log: Log = { info() {}, error() {}, warning: (...event) => events.push(event) };
  tellPreflight(log, results);
  expect(events).toEqual([['preflight', 'a: odd. Remedy: look.', { id: 'a', remedy: 'look' }]]);
});

test('a port at which something answers is refused, unless an entrypoint is at work', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const at = { ...world(), listens: [{ host: '127.0.0.1', port }] };
  const portCheck = BOOT_CHECKS.filter(({ id }) => id === 'port-free');
  const taken = await runChecks(portCheck, at);
  expect(firstRefusal(taken)).toMatchObject({ code: 'port-taken', exit: 78 });
  expect(taken[0]?.message).toContain(String(port));
  expect(await runChecks(portCheck, { ...at, running: true })).toMatchObject([{ verdict: 'skip' }]);
});
