import type { Credential } from '../src/model/credential.ts';
import type { Owner } from '../src/model/layout.ts';
import { fingerprint } from '../src/model/secret.ts';
import { type BootCredential, decideCredential } from './credential.ts';
import { ensureGuard } from './guard/ensure.ts';
import { readGuardCopy, unreadWithoutGuard } from './guard/settings.ts';
import type { Log } from './log.ts';
import { ensureLoginNode } from './login-node/ensure.ts';
import { readLoginNodeSettings } from './login-node/settings.ts';
import { loginFiles, provisionPassword, readDeployed } from './password-file.ts';
import type { Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import type { PreflightResult } from './preflight/check.ts';
import { BOOT_CHECKS } from './preflight/checks.ts';
import { tellPreflight } from './preflight/report.ts';
import { firstRefusal, runChecks } from './preflight/run-checks.ts';
import { worldOf } from './preflight-world.ts';
import { askPython, checkReadable, type PythonFacts } from './python.ts';
import {
  checkSessionKey,
  confirmSessionKey,
  isOutdated,
  provisionSessionKey,
  sessionKeyPath,
} from './session-key.ts';
import { MEANT_OPEN, type Settings } from './settings.ts';
import { readTorch, type Torch, withoutStore } from './torch.ts';
import { provideTorch } from './torch-cache/index.ts';

/** What stands when a child may be started. */
export interface Prepared {
  /** Absent where an open server is meant. */
  credential?: Credential;
  /** The key of the sessions; absent where an open server is meant. */
  keyPath?: string;
  /** Whether ComfyUI will load the guard. */
  guard: boolean;
  /** What the child's environment must say besides. */
  env: Record<string, string>;
}

/** The owner of what ComfyUI must read. */
export const ownerOf = ({ user }: Settings, self: Owner): Owner => user ?? self;

/**
 * Does all that has to be done before each start, RESOLVE to PROVISION: decides on the credential, looks for what is
 * missing, and writes. `again`: what was said before the first start need not be said again. Throws a `Refusal` where
 * ComfyUI must not be started.
 */
export async function prepare(plan: Plan, ports: Ports, again: boolean): Promise<Prepared> {
  const { health } = ports;
  const isOpen = plan.settings.mode === 'open';
  health.enter('RESOLVE');
  const torch = readTorch(ports.env);

  // Python is at work while bcrypt is computed here.
  const looking = lookAt(plan, torch, ports, isOpen);
  looking.catch(() => undefined);
  await new Promise(setImmediate);
  const boot = isOpen ? undefined : resolveCredential(plan, ports);

  health.enter('PREFLIGHT');
  const { facts, keyPath, guard } = await looking;
  const world = worldOf(plan, { facts, torch }, ports);
  const results = await runChecks(BOOT_CHECKS, world);
  const refusal = firstRefusal(results);
  if (refusal !== undefined) throw refusal;
  if (!again) tell(ports, results, guard);

  health.enter('CACHE');
  const { env } = await provideTorch({ ...ports, ...torch, context: plan.python, facts, owner: world.owner });
  if (boot === undefined || keyPath === undefined) return { env: { ...env, ...MEANT_OPEN }, guard };

  health.enter('PROVISION');
  await provision(plan, { boot, keyPath, owner: world.owner }, ports.log);
  return { credential: boot.credential, keyPath, env, guard };
}

/** What does not prevent the start. */
function tell({ log, env }: Ports, results: readonly PreflightResult[], guard: boolean): void {
  tellPreflight(log, results);
  if (guard) return;
  for (const notice of unreadWithoutGuard(env)) log.warning('setting-unread', notice);
}

function resolveCredential({ settings }: Plan, { redactor }: Ports): BootCredential {
  const deployed = readDeployed(loginFiles(settings.comfyuiDir));
  if (deployed !== undefined) redactor.addPassing(deployed.bearer);
  const boot = decideCredential(settings.credential, deployed);
  redactor.addPassing(boot.credential.bearer);
  return boot;
}

/** What is found out before anything else is done; no key where an open server is meant. */
interface Seen {
  facts: PythonFacts;
  keyPath?: string;
  guard: boolean;
}

async function lookAt(plan: Plan, torch: Torch, ports: Ports, isOpen: boolean): Promise<Seen> {
  const { settings, args, python } = plan;
  const distributions = torch.distributions;
  const bare = withoutStore(python);
  // A guard that stands there does nothing: the child is told what is meant.
  if (isOpen) return { facts: await askPython(bare, { distributions }), guard: false };
  const about = { owner: ownerOf(settings, ports.self), env: python.env, log: ports.log };
  const node = readLoginNodeSettings(ports.env);
  const copy = readGuardCopy(ports.env);
  const nodeFolder = await ensureLoginNode(settings.comfyuiDir, args, { ...node, ...about });
  const guard = await ensureGuard(settings.comfyuiDir, args, { copy, ...about });
  const keyPath = sessionKeyPath(nodeFolder);
  checkSessionKey(keyPath);
  return { keyPath, guard, facts: await askPython(bare, { nodeFolder, distributions }) };
}

interface Provision {
  boot: BootCredential;
  keyPath: string;
  owner: Owner;
}

async function provision(plan: Plan, { boot, keyPath, owner }: Provision, log: Log): Promise<void> {
  const { comfyuiDir, guests, user } = plan.settings;
  const files = loginFiles(comfyuiDir);
  const renew = boot.changed || isOutdated(keyPath, files.password);
  // In this order: whoever is cut off in between finds a PASSWORD that is newer than the key, and renews the key.
  provisionPassword(files, boot.credential, owner, guests);
  provisionSessionKey(keyPath, owner, renew);
  if (isOutdated(keyPath, files.password)) confirmSessionKey(keyPath);
  if (user !== undefined) await checkReadable(plan.python, [files.password, keyPath]);
  const { credential, origin, warnings } = boot;
  const name = fingerprint(credential.bearer);
  log.info('credential', `user ${credential.username}, bearer ${name}, ${origin}`, { fingerprint: name });
  for (const warning of warnings) log.warning('credential', warning);
}
