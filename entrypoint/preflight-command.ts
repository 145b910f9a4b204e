import { decideCredential } from './credential.ts';
import { asRefusal, Refusal } from './exit.ts';
import { guardCheck } from './guard/check.ts';
import { readGuardCopy } from './guard/settings.ts';
import { lookForLoginNode } from './login-node/look.ts';
import { readLoginNodeSettings } from './login-node/settings.ts';
import { loginFiles, readDeployed } from './password-file.ts';
import { makePlan, type Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import type { PreflightCheck, PreflightResult } from './preflight/check.ts';
import { BOOT_CHECKS, DEEP_CHECKS } from './preflight/checks.ts';
import { asCheck, runChecks } from './preflight/run-checks.ts';
import { worldOf } from './preflight-world.ts';
import { askPython } from './python.ts';
import { checkSessionKey, sessionKeyPath } from './session-key.ts';
import { readSettings } from './settings.ts';
import { readTorch, withoutStore } from './torch.ts';

/** What the command needs of the outside world. */
export type PreflightPorts = Omit<Ports, 'stdout' | 'stderr' | 'signals' | 'health'> & {
  signal: AbortSignal;
};

/**
 * All that `run` would look at before a start, and what takes too long for each start; changes nothing. `running`: an
 * entrypoint is at work here. Does not throw a `Refusal`: it is a result.
 */
export async function preflight(
  command: readonly string[],
  ports: PreflightPorts,
  running: boolean,
): Promise<PreflightResult[]> {
  try {
    const { env, process, signal } = ports;
    const plan = await makePlan(readSettings(ports), command, { env, process, signal });
    const torch = readTorch(env);
    const asked = askPython(withoutStore(plan.python), { distributions: torch.distributions });
    const facts = await asked.catch((error: unknown) => asRefusal(error));
    const world = worldOf(plan, { facts, torch }, ports, running);
    const own = plan.settings.mode === 'open' ? [] : loginChecks(plan, ports);
    const deep = facts instanceof Refusal ? [] : DEEP_CHECKS;
    return await runChecks([...own, ...BOOT_CHECKS, ...deep], world);
  } catch (error) {
    ports.signal.throwIfAborted();
    const { message, remedy, exit } = asRefusal(error);
    return [{ id: 'settings', severity: 'error', verdict: 'fail', message, remedy, exit }];
  }
}

/** What protects ComfyUI: the credential, and the node that asks for it. */
function loginChecks(plan: Plan, ports: PreflightPorts): PreflightCheck[] {
  const { settings, args, python } = plan;
  const { env, self, log } = ports;
  const about = { owner: settings.user ?? self, env: python.env };
  const node = lookForLoginNode(settings.comfyuiDir, args, { ...readLoginNodeSettings(env), ...about, log });
  node.catch(() => undefined);
  const restored = 'the next start restores the login node from the image’s copy';
  return [
    asCheck('credential', () => {
      const deployed = readDeployed(loginFiles(settings.comfyuiDir));
      return decideCredential(settings.credential, deployed).origin;
    }),
    asCheck('login-node', async () => (await node) ?? restored),
    guardCheck(settings.comfyuiDir, args, { copy: readGuardCopy(env), ...about }),
    asCheck('login-packages', async () => {
      const nodeFolder = await node;
      if (nodeFolder === undefined) return restored;
      await askPython(withoutStore(python), { nodeFolder, distributions: [] });
      return `${python.python} has what the login node imports`;
    }),
    asCheck('session-key', async () => {
      const nodeFolder = await node;
      if (nodeFolder === undefined) return restored;
      return checkSessionKey(sessionKeyPath(nodeFolder))
        ? 'it is there, and good'
        : 'it is made at the next start';
    }),
  ];
}
