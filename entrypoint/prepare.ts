import type { Credential } from '../src/model/credential.ts';
import type { Owner } from '../src/model/layout.ts';
import { fingerprint } from '../src/model/secret.ts';
import { type BootCredential, decideCredential } from './credential.ts';
import type { Log } from './log.ts';
import { findLoginNode } from './login-node/find.ts';
import { loginFiles, provisionPassword, readDeployed } from './password-file.ts';
import type { Plan } from './plan.ts';
import { checkPortFree } from './port.ts';
import type { Ports } from './ports.ts';
import { askPython, checkReadable, type PythonFacts } from './python.ts';
import { checkSessionKey, provisionSessionKey, sessionKeyPath } from './session-key.ts';
import type { Settings } from './settings.ts';

/** What stands when a child may be started. */
export interface Prepared {
  /** Absent where an open server is meant. */
  credential?: Credential;
  /** What the child's environment must say besides. */
  env: Record<string, string>;
}

/** The owner of what ComfyUI must read. */
export const ownerOf = ({ user }: Settings, self: Owner): Owner => user ?? self;

/**
 * Does all that has to be done before each start, RESOLVE to PROVISION: decides on the credential, looks for what is
 * missing, and writes. Throws a `Refusal` where ComfyUI must not be started.
 */
export async function prepare(plan: Plan, ports: Ports): Promise<Prepared> {
  const { settings } = plan;
  const { health, log, redactor } = ports;
  health.enter('RESOLVE');
  if (settings.mode === 'open') {
    health.enter('PREFLIGHT');
    await checkPorts(plan);
    health.enter('CACHE');
    return { env: {} };
  }
  const owner = ownerOf(settings, ports.self);
  const files = loginFiles(settings.comfyuiDir);
  const deployed = readDeployed(files);
  if (deployed !== undefined) redactor.add(deployed.bearer);

  // Python is at work while bcrypt is computed here.
  const looking = lookAt(plan);
  looking.catch(() => undefined);
  await new Promise(setImmediate);
  const boot = decideCredential(settings.credential, deployed);
  redactor.add(boot.credential.bearer);

  health.enter('PREFLIGHT');
  const { keyPath } = await looking;
  await checkPorts(plan);

  health.enter('CACHE');

  health.enter('PROVISION');
  provisionSessionKey(keyPath, owner, boot.changed);
  provisionPassword(files, boot.credential, owner, settings.guests);
  if (settings.user !== undefined) await checkReadable(plan.python, [files.password, keyPath]);
  tellCredential(boot, log);
  return { credential: boot.credential, env: {} };
}

interface Seen {
  keyPath: string;
  facts: PythonFacts;
}

async function lookAt({ settings, args, python }: Plan): Promise<Seen> {
  const nodeFolder = findLoginNode(settings.comfyuiDir, args);
  const keyPath = sessionKeyPath(nodeFolder);
  checkSessionKey(keyPath);
  return { keyPath, facts: await askPython(python, { nodeFolder, distributions: [] }) };
}

/** Where ComfyUI is to listen, and what the relay is to open. */
async function checkPorts({ settings, args }: Plan): Promise<void> {
  await checkPortFree(args);
  if (settings.expose === 'relay') await checkPortFree({ host: '127.0.0.1', port: settings.port });
}

function tellCredential({ credential, origin, warnings }: BootCredential, log: Log): void {
  const name = fingerprint(credential.bearer);
  log.info('credential', `user ${credential.username}, bearer ${name}, ${origin}`, { fingerprint: name });
  for (const warning of warnings) log.warning('credential', warning);
}
