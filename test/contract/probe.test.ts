import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { checkOnce, type GateOptions, prove } from '../../src/probe/gate.ts';
import { freshPair, Stage } from './stage.ts';
import { subjects } from './subjects.ts';

const ORIGIN = 'https://ui.example';

describe.each(subjects)('$name: the probe', (subject) => {
  const stage = new Stage(subject);

  const gate = (url: string, pair: { hash: string; password?: string }, more: Partial<GateOptions> = {}) =>
    prove({
      url,
      credential: {
        username: 'admin',
        bearer: new Secret(pair.hash),
        ...(pair.password !== undefined && { password: new Secret(pair.password) }),
      },
      rounds: 3,
      timeoutMs: 10_000,
      clock: systemClock,
      ...more,
    });

  const verdicts = (report: Awaited<ReturnType<typeof prove>>) =>
    Object.fromEntries(report.checks.map(({ id, verdict }) => [id, verdict]));

  it('proves the server, names the hole that no credential closes, and changes nothing', async () => {
    const pair = freshPair();
    stage.write(pair.hash);
    const { url } = await stage.start();
    const rounds: number[] = [];
    const report = await gate(url, pair, { onProgress: ({ round }) => rounds.push(round) });
    expect(report.status).toBe('proved');
    expect(rounds).toEqual([1, 2, 3]);
    expect(verdicts(report)).toEqual({
      anonymous: 'pass',
      'empty-token': 'pass',
      'wrong-bearer': 'pass',
      bearer: 'pass',
      'login-page': 'pass',
      suffix: 'fail',
      password: 'pass',
      'wrong-password': 'pass',
    });
    expect(report.findings).toEqual([{ code: 'open-by-suffix', args: {} }]);
    expect(report.readyAfterMs).toBeGreaterThan(0);
    expect(readFileSync(stage.passwordPath, 'utf8')).toBe(`${pair.hash}\nadmin`);
  });

  it('proves without a password, and says that the form was not tried', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const report = await gate(url, { hash });
    expect([report.status, verdicts(report).password]).toEqual(['proved', 'skip']);
  });

  it('does the cheap part once', async () => {
    const { hash } = freshPair();
    stage.write(hash);
    const { url } = await stage.start();
    const credential = { username: 'admin', bearer: new Secret(hash) };
    const report = await checkOnce({ url, credential, clock: systemClock });
    expect([report.status, report.checks.length]).toEqual(['proved', 4]);
  });

  it('finds an open server at its first answer', async () => {
    const pair = freshPair();
    rmSync(join(stage.dir, 'custom_nodes'), { recursive: true });
    mkdirSync(join(stage.dir, 'custom_nodes'));
    stage.write(pair.hash);
    const { url } = await stage.start();
    const report = await gate(url, pair);
    expect(report.status).toBe('open');
    expect(report.findings).toEqual([{ code: 'open', args: { httpStatus: 200, comfyui: true } }]);
    expect(report.checks.filter(({ verdict }) => verdict !== 'skip').map(({ id }) => id)).toEqual([
      'anonymous',
    ]);
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['without its first line', '\nadmin'],
  ])('finds ?token= open where PASSWORD is %s, and sets no password itself', async (_, content) => {
    if (content !== undefined) writeFileSync(stage.passwordPath, content);
    const { url } = await stage.start();
    const report = await gate(url, freshPair());
    expect([report.status, report.findings[0]?.code]).toEqual(['open', 'open-by-empty-token']);
    const now = existsSync(stage.passwordPath) ? readFileSync(stage.passwordPath, 'utf8') : undefined;
    expect(now).toBe(content);
  });

  it('finds the first visit where PASSWORD was deleted, and does not pay it', async () => {
    const pair = freshPair();
    stage.write(pair.hash);
    const { url } = await stage.start();
    rmSync(stage.passwordPath);
    const report = await gate(url, pair);
    expect([report.status, report.findings]).toEqual(['open', [{ code: 'first-visit', args: {} }]]);
    expect(existsSync(stage.passwordPath)).toBe(false);
  });

  it('does not log in where PASSWORD has no second line', async () => {
    const pair = freshPair();
    stage.write(pair.hash, '');
    const { url } = await stage.start();
    const report = await gate(url, pair);
    expect(report.findings).toEqual([{ code: 'password-file-malformed', args: { hint: 'no-username' } }]);
    expect(report.status).toBe('refused');
    expect(readFileSync(stage.passwordPath, 'utf8')).toBe(pair.hash);
  });

  it('says that the bearer is refused after two rounds, not at the deadline', async () => {
    const [served, other] = [freshPair(), freshPair()];
    stage.write(served.hash);
    const { url } = await stage.start();
    let rounds = 0;
    const onProgress = () => {
      rounds += 1;
    };
    const report = await gate(url, other, { timeoutMs: 60_000, onProgress });
    expect([report.status, report.findings[0]?.code, rounds]).toEqual(['refused', 'bearer-refused', 2]);
  });

  it('tells the password that the form does not take from the bearer that is good', async () => {
    const pair = freshPair();
    stage.write(`${pair.hash}\r\nadmin`, '');
    const { url } = await stage.start();
    const report = await gate(url, pair);
    expect([report.status, report.findings.at(-1)?.code]).toEqual(['refused', 'password-refused']);
  });

  it('names the origin that the bearer needs, and is content with it', async () => {
    const pair = freshPair();
    stage.write(pair.hash);
    const { url } = await stage.start(['--enable-cors-header', ORIGIN]);
    const report = await gate(url, pair);
    const expected = subject.alwaysRedirect
      ? { code: 'bearer-refused', args: { httpStatus: 302 } }
      : { code: 'origin-required', args: { origin: ORIGIN } };
    expect([report.status, report.findings]).toEqual(['refused', [expected]]);
    expect((await gate(url, pair, { origin: ORIGIN })).status).toBe('proved');
  });

  it('sends no bearer that cannot stand in the header', async () => {
    stage.write(freshPair().hash);
    const { url } = await stage.start();
    for (const hash of ['two words', 'line\nend', '$2b$12$é', '']) {
      const report = await gate(url, { hash });
      expect(report.findings).toEqual([{ code: 'header-malformed', args: { sent: false } }]);
      expect(report.status).toBe('refused');
    }
  });

  it.skipIf(subject.alwaysRedirect)('finds guest mode, unless guests were asked for', async () => {
    const pair = freshPair();
    stage.write(pair.hash);
    writeFileSync(join(stage.dir, 'login', 'GUEST_MODE'), '');
    const { url } = await stage.start();
    const report = await gate(url, pair);
    expect([report.status, report.findings]).toEqual(['open', [{ code: 'guest-mode-on', args: {} }]]);
    expect((await gate(url, pair, { guestModeAllowed: true })).status).toBe('proved');
  });
});
