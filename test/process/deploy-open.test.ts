import { afterEach, describe, expect, it } from 'vitest';
import { listening, RunningService } from './deploy-stage.ts';
import { found, freshSecret } from './deployment.ts';
import { DockerDeployment } from './docker-deployment.ts';

const services: RunningService[] = [];
const deployments: DockerDeployment[] = [];
afterEach(async () => {
  for (const service of services.splice(0)) service.remove();
  for (const one of deployments.splice(0)) await one.remove();
});

/** A service whose server lets anyone in, whatever its files say. */
async function openStage(more: Parameters<typeof RunningService.start>[0] = {}): Promise<RunningService> {
  const service = await RunningService.start(more);
  services.push(service);
  service.write('always', 'open');
  service.command('start');
  await listening(service.port);
  return service;
}

describe('a server that was open before', () => {
  it('is left stopped where nothing may start it, and that is said', async () => {
    const service = await openStage();
    const ran = service.deploy({}, '--restart', 'none');
    expect([ran.code, ran.json.status]).toEqual([6, 'stopped']);
    expect(found(ran, 'open')).toHaveLength(1);
    expect(found(ran, 'left-stopped')[0]).toMatchObject({ severity: 'error', args: { certain: true } });
    expect(service.pid).toBeUndefined();
  });

  it('is not called stopped where it could not be', async () => {
    const service = await openStage({ withoutStop: true });
    const ran = service.deploy({}, '--restart', 'none');
    expect([ran.code, ran.json.status]).toEqual([6, 'failed']);
    expect(found(ran, 'left-stopped')[0]).toMatchObject({ severity: 'critical', args: { certain: false } });
  });

  it('is asked again after its stop: a command that only says that it has ended it is not believed', async () => {
    const service = await openStage();
    const layout = service.read('comfyui-auth.yml');
    service.write('comfyui-auth.yml', layout.replace(/stop: \[.*?\]/, 'stop: ["true"]'));
    const ran = service.deploy({ COMFYUI_PASSWORD: freshSecret() });
    expect([ran.code, ran.json.status]).toEqual([6, 'failed']);
    expect(found(ran, 'left-stopped')[0]).toMatchObject({ severity: 'critical', args: { certain: false } });
  });

  it('is exit 4 though it was found so in a recovery, and is proven since', async () => {
    const one = await DockerDeployment.make();
    deployments.push(one);
    // The files of before make it open: so a deploy that was cut off goes back to an open server.
    one.write('.env', one.read('.env').replace('CONTENT=good', 'CONTENT=open'));
    const child = one.begin('deploy', { CONTENT: 'mute' }, '--variable', 'CONTENT', '--timeout', '50s');
    await one.heard(child, 'down');
    child.kill('SIGKILL');
    await one.ended(child);
    const ran = await one.deploy({ CONTENT: 'good' }, '--variable', 'CONTENT');
    expect([ran.code, ran.json.status]).toEqual([4, 'deployed']);
    expect(found(ran, 'open').length).toBeGreaterThan(0);
    expect(ran.json.recovered).toMatchObject({ command: 'deploy' });
  });
});
