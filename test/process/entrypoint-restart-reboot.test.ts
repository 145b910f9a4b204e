import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword, UNPROVEN } from './entrypoint-harness.ts';

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
});
afterEach(() => deployment.remove());

const shell = (script: string) => ['run', '--', 'sh', '-c', script];

/** What the Manager does: it leaves word, and ends well. */
const REBOOT = 'touch "$__COMFY_CLI_SESSION__.reboot"; exit 0';

describe('the reboot of ComfyUI-Manager', () => {
  test('of a server that is ready starts another one at once, and costs nothing of the budget', async () => {
    const running = deployment.start(['run'], { RESTART_BUDGET: '0', RESTART_BACKOFF: '1h..1h' });
    await running.said(/^ready/m);
    for (const ready of [2, 3]) {
      const before = deployment.childPid;
      await deployment.ask('/manager/reboot').catch(() => undefined);
      await running.saidTimes('ready', ready);
      expect(deployment.childPid).not.toBe(before);
    }
    expect(running.output).toMatch(/^restarting: warning: ComfyUI-Manager asked for a restart; .* in 0 s$/m);
    expect(deployment.health()).toMatchObject({ state: 'READY', restarts: 2 });
    expect(await running.stop()).toBe(0);
  });

  test('of one that never was ready is counted: it cannot go on for ever', async () => {
    const env = { RESTART_BUDGET: '3', RESTART_BACKOFF: '1h..1h' };
    const { code, output } = await deployment.end(shell(REBOOT), env);
    expect(output.match(/^starting: /gm)).toHaveLength(4);
    expect(output).toMatch(/^restart-budget: ComfyUI-Manager asked for a restart, and RESTART_BUDGET/m);
    expect(code).toBe(UNPROVEN);
  });

  test('is asked for once: what was left of it does not count for the next life', async () => {
    const before = join(deployment.folder, 'before');
    const script = `test -e '${before}' && exit 0; touch '${before}'; ${REBOOT}`;
    const { code, output } = await deployment.end(shell(script));
    expect(output.match(/^starting: /gm)).toHaveLength(2);
    expect(code).toBe(UNPROVEN);
  });

  test('is none where the child ends with another code', async () => {
    const { code, output } = await deployment.end(shell(REBOOT.replace('exit 0', 'exit 3')));
    expect(output).not.toMatch(/^restart/m);
    expect(code).toBe(3);
  });

  test('is none where the container was asked to stop in the meantime', async () => {
    const script = `trap '${REBOOT}' INT; echo armed; while :; do sleep 0.05; done`;
    const running = deployment.start(shell(script));
    await running.said(/^armed/m);
    expect(await running.stop()).toBe(0);
    expect(running.count('starting')).toBe(1);
  });
});
