import { afterEach, describe, expect, it } from 'vitest';
import { layGuard } from '../../src/stand-in/tree.ts';
import { freshSecret } from './deployment.ts';
import { DockerDeployment, SERVICE } from './docker-deployment.ts';
import { tracesIn } from './traces.ts';

const deployments: DockerDeployment[] = [];
afterEach(async () => {
  for (const one of deployments.splice(0)) await one.remove();
});

/** A service of Compose whose server has the guard. */
async function stage(readers: string): Promise<DockerDeployment> {
  const one = await DockerDeployment.make();
  deployments.push(one);
  layGuard(one.path('workspace'));
  const layout = one.read('comfyui-auth.yml');
  one.write('comfyui-auth.yml', layout.replace('{ file: .env }', `{ file: .env, readers: [${readers}] }`));
  await one.become('good');
  return one;
}

/** What the container of the service was made with. */
function madeWith(one: DockerDeployment, env: string[]): void {
  one.docker.change((state) => {
    for (const container of state.containers) if (container.service === SERVICE) container.env = env;
  });
}

const renewed = () => ({ COMFYUI_PASSWORD: freshSecret() });

describe('a deploy to a container whose server has the guard', () => {
  it('reloads the server where the container knows nothing of the .env', async () => {
    const one = await stage('dotenv');
    madeWith(one, ['PATH=/usr/bin', 'COMFYUI_PASSWORD=']);
    const ran = await one.deploy(renewed());
    expect([ran.code, ran.json.status]).toEqual([0, 'deployed']);
    expect(ran.json.services[0].restart).toMatchObject({ driver: 'compose', action: 'reload' });
    expect(one.events).toEqual([]);
    expect((await one.run('probe', {})).code).toBe(0);
  });

  it('makes it anew where the .env is a part of it', async () => {
    const one = await stage('compose, dotenv');
    const ran = await one.deploy(renewed());
    expect([ran.code, ran.json.services[0].restart.action, one.events]).toEqual([0, 'recreate', ['up']]);
  });

  it.each(['COMFYUI_PASSWORD', 'COMFYUI_BEARER_TOKEN_FILE'])(
    'restarts it where it was made with %s',
    async (name) => {
      const one = await stage('dotenv');
      madeWith(one, [`${name}=${freshSecret()}`]);
      const ran = await one.deploy(renewed());
      expect([ran.code, ran.json.services[0].restart.action, one.events]).toEqual([
        0,
        'restart',
        ['restart'],
      ]);
    },
  );

  it('by name is refused where the container would go back, and where it does not run', async () => {
    const one = await stage('compose, dotenv');
    const before = one.files;
    const byName = () => one.deploy(renewed(), '--restart', 'reload');
    const ran = await byName();
    expect([ran.code, ran.json.error.code]).toEqual([2, 'reload-impossible']);
    expect(ran.json.error.message).toContain('would go back');
    one.docker.change((state) => {
      for (const container of state.containers) container.status = 'exited';
    });
    const ended = await byName();
    expect([ended.code, ended.json.error.code]).toEqual([2, 'reload-impossible']);
    expect(ended.json.error.message).toContain('does not run');
    expect([one.files, one.events]).toEqual([before, []]);
    expect(tracesIn(one.root)).toEqual([]);
  });
});
