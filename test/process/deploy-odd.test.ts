import { mkdirSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { derivedForms } from '../../src/platform/redact.ts';
import { RunningService } from './deploy-stage.ts';
import { cheapHash, found, freshSecret } from './deployment.ts';
import { DockerDeployment, SERVICE } from './docker-deployment.ts';
import { photograph, tracesIn } from './traces.ts';

const deployments: DockerDeployment[] = [];
const services: RunningService[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
  for (const service of services.splice(0)) service.remove();
});

async function stage(): Promise<DockerDeployment> {
  const one = await DockerDeployment.make();
  deployments.push(one);
  return one;
}

const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });

/** All files; of the state folder only what is more than its making and its lock. */
const photographed = (one: DockerDeployment) =>
  Object.fromEntries(
    Object.entries(photograph(one.root)).filter(
      ([name]) => !/^\/\.comfyui-auth(?:\/(?:lock|backups|\.gitignore))?$/.test(name),
    ),
  );

/** A service that a script restarts, which first does something else. */
async function scripted(first: string): Promise<RunningService> {
  const service = await RunningService.start();
  services.push(service);
  const layout = service.read('comfyui-auth.yml');
  const [, command = ''] = /command: (\[.*?\])(?=,)/.exec(layout) ?? [];
  const words = (JSON.parse(command) as string[]).map((word) => `'${word}'`).join(' ');
  service.write('restart.sh', `${first}\nexec ${words}\n`);
  service.write(
    'comfyui-auth.yml',
    layout.replace(command, JSON.stringify(['sh', service.path('restart.sh')])),
  );
  return service;
}

describe('a command that restarts', () => {
  it.each([
    ['prints 100 MB', 'head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2'],
    ['reads its stdin to the end', 'cat > /dev/null'],
    ['goes to another folder', 'cd /; mkdir -p /tmp'],
    ['closes its output', 'exec 1>&- 2>&-'],
  ])('does its work where it %s', async (_, first) => {
    const service = await scripted(first);
    const ran = service.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(ran.stdout.length + ran.stderr.length).toBeLessThan(20_000);
    expect(tracesIn(service.root)).toEqual([]);
  });

  it('and fails when it has done so is called again on the way back: the process has read the new files', async () => {
    const service = await scripted('true');
    service.write('.env', `${service.read('.env')}EXTRA=old\n`);
    const before = service.files;
    const [, words = ''] = /exec (.*)/.exec(service.read('restart.sh')) ?? [];
    service.write('restart.sh', `cp .env seen\n${words}\n! grep -q EXTRA=.*new .env\n`);
    // The credential is the same: the process of the new files would be proven with the old ones, too.
    const ran = service.deploy({ EXTRA: 'new' }, '--variable', 'EXTRA');
    expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
    expect(service.files).toEqual(before);
    expect(service.read('seen')).toBe(before.env);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('tells no secret, in no spelling, whatever it says of them', async () => {
    const odd = `${freshSecret()}"$\\#%= ::error::x##[group]`;
    const service = await scripted('true');
    const said = derivedForms(new Secret(odd)).map((form) => `'${form.replaceAll("'", `'\\''`)}'`);
    service.write('restart.sh', `printf '%s\\n' ${said.join(' ')} | tee /dev/stderr\ncat .env >&2\nexit 3\n`);
    const ran = service.deploy({ COMFYUI_PASSWORD: odd });
    expect([5, 6]).toContain(ran.code);
    expect(found(ran, 'restart-failed').length).toBeGreaterThan(0);
    const bearers = [service.bearer, service.password];
    for (const secret of [odd, ...bearers].flatMap((one) => derivedForms(new Secret(one)))) {
      expect(ran.stdout + ran.stderr).not.toContain(secret);
    }
    expect(ran.stdout + ran.stderr).not.toMatch(/::error::x|##\[group\]/);
  });
});

describe('a compose file', () => {
  it.each<[string, (one: DockerDeployment) => void, string]>([
    ['is missing', (one) => rmSync(one.path('compose.yml')), 'compose-file-missing'],
    [
      'is a folder',
      (one) => {
        rmSync(one.path('compose.yml'));
        mkdirSync(one.path('compose.yml'));
      },
      'compose-failed',
    ],
    [
      'has no such service',
      (one) =>
        one.docker.change((state) => {
          delete state.services[SERVICE];
        }),
      'compose-failed',
    ],
  ])('that %s: nothing is written', async (_, spoil, code) => {
    const one = await stage();
    spoil(one);
    if (code === 'compose-failed') {
      one.docker.change((state) => {
        state.on.ps = { exit: 15, stderr: 'yaml: cannot unmarshal\n' };
      });
    }
    const before = photographed(one);
    const ran = await one.deploy(renewed());
    expect([ran.code, ran.json.error?.code]).toEqual([code === 'compose-failed' ? 3 : 2, code]);
    expect(photographed(one)).toEqual(before);
    expect([one.serves, one.events]).toEqual([true, []]);
  });
});

describe('the keys of a .env', () => {
  it('that tell programs where to go change neither which Docker is spoken to nor which file is read', async () => {
    const one = await stage();
    const keys = { DOCKER_HOST: 'tcp://127.0.0.1:1', PATH: '/nowhere', HOME: '/nowhere' };
    const own = { COMPOSE_FILE: 'other.yml', COMPOSE_PROJECT_NAME: 'other' };
    const lines = Object.entries({ ...keys, ...own }).map(([key, value]) => `${key}=${value}\n`);
    one.write('.env', one.read('.env') + lines.join(''));
    const ran = await one.deploy({ ...renewed(), COMPOSE_FILE: 'of-the-shell.yml' });
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    for (const call of one.docker.calls()) {
      expect(call.env.PATH).toBe(one.docker.path);
      expect(call.env.HOME).toBe(one.root);
      expect(call.env).not.toHaveProperty('DOCKER_HOST');
      // docker itself reads none of the others.
      if (call.args[0] === 'compose') expect(call.env).not.toHaveProperty('COMPOSE_FILE');
    }
    expect(one.docker.calls('up')[0]?.args).toContain(one.path('compose.yml'));
  });
});

describe('two services', () => {
  it('of one container and one .env are proven both, on what stands', async () => {
    const one = await stage();
    const layout = one.read('comfyui-auth.yml');
    const second = layout.slice(layout.indexOf(`  ${SERVICE}:`)).replace(`  ${SERVICE}:`, '  second:');
    const named = second.replace('file: compose.yml', `file: compose.yml, service: ${SERVICE}`);
    one.write('comfyui-auth.yml', layout + named);
    // A password alone would get a bearer for each.
    const { COMFYUI_PASSWORD } = renewed();
    const env = { COMFYUI_PASSWORD, COMFYUI_BEARER_TOKEN: cheapHash(COMFYUI_PASSWORD) };
    const ran = await one.deploy(env, '--service', SERVICE, '--service', 'second');
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(one.read('.env')).toContain(env.COMFYUI_PASSWORD);
    expect((await one.run('probe', {})).code).toBe(0);
    const before = one.files;
    const bad = { CONTENT: 'mute', ...env };
    const back = await one.deploy(
      bad,
      '--variable',
      'CONTENT',
      '--timeout',
      '2s',
      '--service',
      SERVICE,
      '--service',
      'second',
    );
    expect([back.code, back.json.status]).toEqual([5, 'rolled-back']);
    expect(one.files).toEqual(before);
    expect((await one.run('probe', {})).code).toBe(0);
  });
});

describe('a deploy that is repeated', () => {
  it('touches nothing where it has nothing to do', async () => {
    const one = await stage();
    const env = renewed();
    expect((await one.deploy(env)).code).toBe(0);
    const before = photograph(one.root);
    for (const again of [env, {}]) {
      const ran = await one.deploy(again);
      expect([ran.code, ran.json.status]).toEqual([0, 'unchanged']);
      expect(photograph(one.root)).toEqual(before);
    }
  });

  it('and fails leaves the very files of before: bytes, times, inodes', async () => {
    const one = await stage();
    const before = photographed(one);
    const bad = () => ({ CONTENT: 'mute', ...renewed() });
    for (let time = 0; time < 2; time++) {
      const ran = await one.deploy(bad(), '--variable', 'CONTENT', '--timeout', '1s');
      expect([ran.code, ran.json.status]).toEqual([5, 'rolled-back']);
      const now = photograph(one.root);
      for (const [name, was] of Object.entries(before)) expect([name, now[name]]).toEqual([name, was]);
      const more = Object.keys(now).filter((name) => !(name in before));
      expect(
        more.filter((name) => !/^\/\.comfyui-auth(?:\/(?:lock|backups|\.gitignore))?$/.test(name)),
      ).toEqual([]);
    }
  });

  it('with a gate of no time ends with all old files, and nothing running that is not proven', async () => {
    const one = await stage();
    const before = one.files;
    const ran = await one.deploy(renewed(), '--timeout', '1ms');
    expect([3, 6]).toContain(ran.code);
    expect(one.files).toEqual(before);
    if (ran.code === 6) expect(one.serves).toBe(false);
    expect(tracesIn(one.root)).toEqual([]);
    const next = await one.deploy({});
    expect(next.code).toBe(0);
    expect((await one.run('probe', {})).code).toBe(0);
  });
});
