import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import { cheapHash } from './entrypoint-harness.ts';
import { bearers, passwords, rotationStage } from './entrypoint-rotation-stage.ts';

const stage = rotationStage();

describe('SIGHUP', () => {
  test('with PASSWORD written by somebody else takes that over, where nothing was handed in', async () => {
    writeFileSync(stage().deployment.password, `${bearers[0]}\nada`);
    const running = await stage().ready({});
    writeFileSync(stage().deployment.password, `${bearers[1]}\nada`);
    running.process.kill('SIGHUP');
    await running.said(/^rotated/m);
    expect(await stage().taken()).toEqual([401, 200, 401]);
    await stage().endUnbroken(running);
  });

  test('the same where the password that was handed in opens it', async () => {
    const other = cheapHash(passwords[0]);
    const running = await stage().ready({ COMFYUI_PASSWORD_FILE: stage().files.password });
    const before = stage().deployment.bearer;
    writeFileSync(stage().deployment.password, `${other}\nadmin`);
    running.process.kill('SIGHUP');
    await running.said(/^rotated/m);
    expect([await stage().statusAs(before), await stage().statusAs(other)]).toEqual([401, 200]);
    await stage().endUnbroken(running);
  });

  test.each<[string, () => Record<string, string>]>([
    ['bearer', () => stage().pair()],
    ['password', () => ({ COMFYUI_PASSWORD_FILE: stage().files.password })],
  ])('puts PASSWORD right where another %s was handed in', async (_, env) => {
    const running = await stage().ready(env());
    const { bearer } = stage().deployment;
    writeFileSync(stage().deployment.password, `${bearers[1]}\nadmin`);
    running.process.kill('SIGHUP');
    await running.said(/^reloaded/m);
    expect(running.count('password-restored')).toBe(1);
    expect(readFileSync(stage().deployment.password, 'utf8')).toBe(`${bearer}\nadmin`);
    expect([await stage().statusAs(bearer), await stage().statusAs(bearers[1])]).toEqual([200, 401]);
    await stage().endUnbroken(running);
  });

  test('after somebody else let the guard read PASSWORD goes on with that', async () => {
    writeFileSync(stage().deployment.password, `${bearers[0]}\nada`);
    const running = await stage().ready({});
    writeFileSync(stage().deployment.password, `${bearers[1]}\nada`);
    const answer = await stage().deployment.ask('/reload_token', { method: 'POST' });
    expect(await answer.json()).toMatchObject({ reloaded: true });
    running.process.kill('SIGHUP');
    await running.said(/^rotated: .*sessions: unknown$/m);
    await stage().endUnbroken(running);
  });

  test('with another user name takes that over, with the same bearer', async () => {
    const name = join(stage().deployment.folder, 'name');
    writeFileSync(name, 'ada');
    const running = await stage().ready({ ...stage().pair(), COMFYUI_USERNAME_FILE: name });
    writeFileSync(name, 'grace');
    running.process.kill('SIGHUP');
    await running.said(/^rotated: user grace, /m);
    expect(await (await stage().deployment.ask('/login', { headers: {} })).text()).toContain('grace');
    expect(await stage().statusAs(bearers[0])).toBe(200);
    await stage().endUnbroken(running);
  });
});

test('a stop while bcrypt is computed goes first: nothing is written any more', async () => {
  const running = await stage().ready();
  // So many rounds take a second.
  const costly = bcrypt.hashSync(passwords[1], 14);
  writeFileSync(stage().files.password, passwords[1]);
  writeFileSync(stage().files.bearer, costly);
  await expect.poll(() => stage().deployment.health().state, { interval: 5 }).toBe('RELOADING');
  expect(await running.stop()).toBe(0);
  expect(stage().deployment.bearer).toBe(bearers[0]);
  expect(running.count('rotated')).toBe(0);
});

test('the relay stays open during a reload: a connection that was there goes on', async () => {
  const running = await stage().ready({ ...stage().pair(), EXPOSE_MODE: 'relay' });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const askOn = (bearer: string) =>
    new Promise<[number | undefined, number | undefined]>((resolve, reject) => {
      const headers = { authorization: `Bearer ${bearer}` };
      const asked = get(
        { port: stage().deployment.port, path: '/system_stats', agent, headers },
        (response) => {
          const answer: [number | undefined, number | undefined] = [
            response.statusCode,
            asked.socket?.localPort,
          ];
          response.resume().once('end', () => resolve(answer));
        },
      ).once('error', reject);
    });
  const [before, port] = await askOn(bearers[0]);
  stage().hand(1);
  await running.said(/^rotated/m);
  expect([before, await askOn(bearers[1])]).toEqual([200, [200, port]]);
  agent.destroy();
  await stage().endUnbroken(running);
});
