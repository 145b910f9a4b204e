import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { derivedForms } from '../../src/platform/redact.ts';
import { IN_THE_GATE } from './action-cut-off.ts';
import { type Acted, Runner } from './action-stage.ts';
import { RunningService } from './deploy-stage.ts';
import { freshSecret } from './deployment.ts';
import { expectSilent } from './silence.ts';

/** Characters that some layer on the way escapes, splits at, or takes for a command. */
const KINDS: [name: string, odd: string][] = [
  ['quotes', `"x'`],
  ['dollars and backslashes', '$x\\n$$'],
  ['what begins a comment or a form', ' #%41=&+ '],
  ['commands of a runner', ' ::error::x ##[group]y'],
];

const services: RunningService[] = [];
const canaries: string[] = [];
let runner: Runner;
beforeEach(() => {
  runner = new Runner();
});
afterEach(() => {
  for (const service of services.splice(0)) service.remove();
  canaries.splice(0);
  runner.remove();
});

async function stage(more: Parameters<typeof RunningService.start>[0] = {}): Promise<RunningService> {
  const service = await RunningService.start(more);
  services.push(service);
  canaries.push(service.password, service.bearer);
  return service;
}

/** A secret that is looked for from now on. */
function canary(odd: string): string {
  const secret = `${freshSecret()}${odd}${freshSecret()}`;
  canaries.push(secret, ...secret.split(/[\s'"=#]+/).filter((piece) => piece.length >= 20));
  return secret;
}

/** What stands in the state folder, the kept old files apart: those hold old secrets, for their owner alone. */
function stateText(service: RunningService): string {
  const folder = service.path('.comfyui-auth');
  if (!existsSync(folder)) return '';
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  const kept = paths.filter((path) => !/\/backups\/[^/]+\/\d+$/.test(path));
  return kept.map((path) => readFileSync(path, 'utf8')).join('\n');
}

/** All that has left a run, but the masks. */
const shownBy = (service: RunningService, ran: Acted) =>
  [ran.log, ran.stderr, runner.kept(), stateText(service)].join('\n');

/** Holds that nothing of a secret has left a run but the masks, and that foreign text has made no command. */
function expectNoLeak(service: RunningService, ran: Acted): void {
  const shown = shownBy(service, ran);
  expectSilent(shown, canaries);
  // Among them the bearers that came and went.
  for (const mask of ran.masks) expect(shown).not.toContain(mask);
  for (const line of ran.log.split('\n'))
    expect(line).toMatch(/^(?:::(?:error|warning|notice)(?: |::)|(?!.*(?:##\[|(?:^|\s)::)))/);
}

describe.each(KINDS)('secrets with %s', (_, odd) => {
  it('leave a deploy by no way, whether it stands, goes back, or is cut off', async () => {
    const service = await stage();
    const handedIn = () => ({
      command: 'deploy',
      root: service.root,
      timeout: '20s',
      password: canary(odd).trim(),
      'secret-key': canary(odd),
      variables: 'MODE\nHF_TOKEN\nNOTE',
    });
    const env = (MODE: string) => ({ MODE, HF_TOKEN: canary(odd), NOTE: canary(odd) });

    const good = runner.act(handedIn(), env('good'));
    expectNoLeak(service, good);
    expect(good.outputs.status).toBe('deployed');
    canaries.push(service.read('comfyui/login/PASSWORD').split('\n')[0] ?? '');

    const back = runner.act(handedIn(), env('fail'));
    expectNoLeak(service, back);
    expect(back.outputs.status).toBe('rolled-back');

    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const [inputs, mute] = [handedIn(), env('mute')];
      const acting = runner.begin(inputs, mute);
      await acting.heard(IN_THE_GATE);
      acting.child.kill(signal);
      expectNoLeak(service, await acting.ended);
      expect(existsSync(service.path('.comfyui-auth/journal.json'))).toBe(true);
      const post = runner.post(inputs, mute);
      expectNoLeak(service, post);
      expect([post.code, post.stdout.startsWith('::add-mask::')]).toEqual([0, true]);
      const given = [inputs.password, inputs['secret-key'], mute.HF_TOKEN].map((one) => new Secret(one));
      expect(post.masks).toEqual(expect.arrayContaining(given.flatMap(derivedForms)));
    }
  });
});

it('what a program says that restarts the service is shown without them', async () => {
  const service = await stage();
  const layout = service.read('comfyui-auth.yml');
  const tell = `console.error(require('fs').readFileSync(process.argv[1], 'utf8').replaceAll('\\n', ' ')); process.exit(9)`;
  const command = JSON.stringify([process.execPath, '-e', tell, service.path('.env')]);
  service.write(
    'comfyui-auth.yml',
    layout.replace(/ command: \[.*?\]/, () => ` command: ${command}`),
  );
  const inputs = {
    command: 'deploy',
    root: service.root,
    timeout: '5s',
    password: canary('$x'),
    variables: 'NOTE',
  };
  const ran = runner.act(inputs, { NOTE: canary(' of ') });
  expect(ran.outputs['exit-code']).toBe('5');
  expect(ran.log).toMatch(/ended with exit code 9: .*\[secret\]/);
  expectNoLeak(service, ran);
});

it('an error that nobody foresaw, wherever it came from, is named without its words', async () => {
  const service = await stage();
  const secret = canary('x');
  for (const [i, fault] of [
    'throw new Error(process.env.X)',
    'Promise.reject(new Error(process.env.X))',
  ].entries()) {
    service.write(`fault${i}.cjs`, `setTimeout(() => { ${fault}; }, 1);`);
    const env = { NODE_OPTIONS: `--require ${service.path(`fault${i}.cjs`)}`, X: secret, MODE: 'mute' };
    const inputs = { command: 'deploy', root: service.root, timeout: '20s', variables: 'MODE' };
    const ran = runner.act(inputs, env);
    expect([ran.code, ran.outputs.status, ran.stderr]).toEqual([1, 'error', '']);
    expect(ran.log).toContain('::error::an error that should not happen: Error');
    expectSilent(shownBy(service, ran).replaceAll('should not happen', ''), canaries);
    expect(runner.post(inputs, { MODE: 'mute' }).code).toBe(0);
    expect(existsSync(service.path('.comfyui-auth/journal.json'))).toBe(false);
  }
});

it('the search finds what a program says aloud', async () => {
  const service = await stage();
  const ran = runner.act({ command: 'audit', root: service.root, service: service.password });
  expect(ran.log).toContain(service.password);
  expect(() => expectNoLeak(service, ran)).toThrow();
});
