import { chownSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { derivedForms } from '../../src/platform/redact.ts';
import { type Break, BreakIn } from './breakpoints.ts';
import { found, freshSecret } from './deployment.ts';
import { DockerDeployment, SERVICE } from './docker-deployment.ts';
import { tracesIn } from './traces.ts';

const deployments: DockerDeployment[] = [];
const copies: string[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
  for (const copy of copies.splice(0)) rmSync(copy, { recursive: true, force: true });
});

const inTheGate: Break = { match: '^request' };

/** A deployment whose deploy was killed: its files are new, and its service has read them. */
async function killed(
  point = inTheGate,
  password = freshSecret(),
): Promise<{ one: DockerDeployment; before: string[] }> {
  const one = await DockerDeployment.make();
  deployments.push(one);
  const before = one.files;
  const broken = new BreakIn(one.root, one.docker.folder);
  const ran = await one.deploy({ COMFYUI_PASSWORD: password, ...broken.env(point) });
  expect(ran.code).toBeNull();
  expect(one.files).not.toEqual(before);
  return { one, before };
}

const edit = (one: DockerDeployment, from: RegExp | string, to: string) =>
  one.write('comfyui-auth.yml', one.read('comfyui-auth.yml').replace(from, to));

describe('a recovery with another layout than the deploy had', () => {
  it('names a service that is no longer in it: what it runs with is not known', async () => {
    const { one, before } = await killed();
    edit(one, `  ${SERVICE}:`, '  renamed:');
    edit(one, 'file: compose.yml', `file: compose.yml, service: ${SERVICE}`);
    const ran = await one.run('sync', {});
    expect(ran.code).toBe(6);
    expect(found(ran, 'unproven')).toMatchObject([{ args: { reason: 'unnamed' }, service: SERVICE }]);
    expect(ran.stderr).toContain(`${SERVICE}: it is NOT as it was before`);
    expect(one.files).toEqual(before);
    expect(tracesIn(one.root)).toEqual([]);
  });

  it('asks a service that nothing restarts any more, and says where it refuses', async () => {
    const { one, before } = await killed();
    edit(one, /restart: .*/, 'restart: { driver: none }');
    const ran = await one.run('sync', {});
    expect(ran.code).toBe(6);
    expect(found(ran, 'unproven')).toMatchObject([{ args: { reason: 'no-driver' } }]);
    expect(one.files).toEqual(before);
    expect(tracesIn(one.root)).toEqual([]);
  });

  it('says that it cannot end what it cannot restart, where the compose file is gone', async () => {
    const { one, before } = await killed();
    rmSync(one.path('compose.yml'));
    const ran = await one.run('sync', {});
    expect(ran.code).toBe(6);
    expect(found(ran, 'left-stopped')).toMatchObject([{ severity: 'critical', args: { certain: false } }]);
    expect(one.files).toEqual(before);
    expect(tracesIn(one.root)).toEqual([]);
  });

  it('keeps its trouble in the failure that follows: exit 6 is not lost', async () => {
    const { one } = await killed();
    one.content = 'mute';
    // No pair: refused with exit 2, after the recovery has left the service stopped.
    const env = { COMFYUI_PASSWORD: freshSecret(), COMFYUI_BEARER_TOKEN: one.bearer };
    const ran = await one.run('deploy', env, '--timeout', '2s');
    expect([ran.code, ran.json.error.code]).toEqual([6, 'pair-mismatch']);
    expect(ran.json.error.message).toContain(`${SERVICE} was stopped`);
    expect(one.events).toEqual(['up', 'up', 'kill']);
  });

  it('asks each service at its own address, whatever address was given for another', async () => {
    const { one, before } = await killed();
    one.write(
      'other/.env',
      `COMFYUI_USERNAME=admin\nCOMFYUI_PASSWORD=${one.password}\nCOMFYUI_BEARER_TOKEN='${one.bearer}'\n`,
    );
    const more = ['  other:', '    url: http://127.0.0.1:1', '    env: { file: other/.env }', ''];
    one.write('comfyui-auth.yml', one.read('comfyui-auth.yml') + more.join('\n'));
    const args = ['--service', 'other', '--url', 'http://127.0.0.1:1', '--timeout', '5s'];
    const ran = await one.run('deploy', {}, ...args);
    // The recovered one was proven; only the other does not answer.
    expect(ran.json.recovered).toEqual({ action: 'rolled-back', command: 'deploy' });
    expect([ran.code, found(ran, 'left-stopped')]).toEqual([3, []]);
    expect(one.files).toEqual(before);
    expect((await one.run('probe', {}, '--service', SERVICE)).code).toBe(0);
  });
});

describe('a journal that is not where it was written', () => {
  it('in a copy of the folder touches neither the copy nor the first', async () => {
    const { one, before } = await killed();
    const copy = `${one.root}-copy`;
    copies.push(copy);
    cpSync(one.root, copy, { recursive: true });
    const after = one.files;
    const ran = await one.run('sync', {}, '--root', copy);
    expect([ran.code, ran.json.error.code]).toEqual([3, 'journal-moved']);
    expect(one.files).toEqual(after);
    expect([readFileSync(`${copy}/.env`, 'utf8')]).toEqual(after.slice(0, 1));
    expect((await one.run('sync', {})).code).toBe(0);
    expect(one.files).toEqual(before);
  });

  it('is damaged: nothing is touched', async () => {
    const { one } = await killed();
    const after = one.files;
    const journal = one.path('.comfyui-auth/journal.json');
    writeFileSync(journal, readFileSync(journal, 'utf8').slice(0, 100));
    for (const command of ['sync', 'deploy']) {
      const ran = await one.run(command, {});
      expect([ran.code, ran.json.error.code]).toEqual([3, 'journal-unreadable']);
    }
    expect(one.files).toEqual(after);
    expect(existsSync(journal)).toBe(true);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'belongs to another user: nothing that it names is touched',
    async () => {
      const { one } = await killed();
      const after = one.files;
      const journal = one.path('.comfyui-auth/journal.json');
      chownSync(journal, 1000, 1000);
      for (const command of ['sync', 'deploy']) {
        const ran = await one.run(command, {});
        expect([ran.code, ran.json.error.code]).toEqual([3, 'journal-unreadable']);
      }
      expect(one.files).toEqual(after);
      chownSync(journal, 0, 0);
      expect((await one.run('sync', {})).json.recovered.action).toBe('rolled-back');
    },
  );

  it('holds no secret, in no spelling; nor does what other programs are given', async () => {
    const odd = `${freshSecret()}"$\\#%= ::error::x##[g]`;
    const { one } = await killed(inTheGate, odd);
    const bearer = one.files[1]?.split('\n')[0] ?? '';
    const journal = one.read('.comfyui-auth/journal.json');
    const given = one.docker.calls().map((call) => JSON.stringify(call));
    const names = readdirSync(one.root, { recursive: true, encoding: 'utf8' });
    const ran = await one.run('sync', {});
    const text = [journal, ...given, ...names, ran.stdout, ran.stderr].join('\n');
    for (const secret of [odd, bearer, one.password, one.bearer]) {
      for (const form of derivedForms(new Secret(secret))) expect(text).not.toContain(form);
    }
    expect(names.some((name) => name.endsWith('.old'))).toBe(true);
  });
});
