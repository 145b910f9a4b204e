import { statSync } from 'node:fs';
import { Exit, type ExitCode, Failure } from '../model/failure.ts';
import type { RestartChoice, ServiceLayout } from '../model/layout.ts';
import { NO_RELOAD } from '../report/reload-words.ts';
import { restartActionFor } from '../service/action.ts';
import { CREDENTIAL_VARIABLES } from '../service/child-env.ts';
import { type Container, isAlive } from '../service/container.ts';
import type { Restart, RestartAction } from '../service/driver.ts';
import type { PlannedFile } from './plan.ts';
import type { GuardState } from './reload.ts';

/** What is known of a service when it is decided how it reads its files again. */
export interface Circumstances {
  service: ServiceLayout;
  /** The plan for its files. */
  files: readonly PlannedFile[];
  containers: readonly Container[];
  /** Whether the engine could be asked for them. */
  seen: boolean;
  choice: RestartChoice;
  /** Asks the live server for its guard. */
  guard(): Promise<GuardState>;
}

/** How a service reads its files again. */
export interface RestartPlan {
  /** What makes it read what changes; `none` where it reads nothing of that. */
  action: RestartAction;
  /** What is done where a reload fails. */
  instead: Restart | 'none';
  /** What mends a process that reads nothing of what changes, and refuses. */
  whenStale: RestartAction;
  /** What starts it again after it was ended. */
  afresh: Restart | 'none';
}

/** They take a `.env` into the environment of a container, which keeps it however often its process starts anew. */
const AT_MAKING = /^(?:compose|docker-run|kubectl)/;

const mtimeOf = (path: string): Date | undefined => statSync(path, { throwIfNoEntry: false })?.mtime;

/** Env files of a service whose readers have such a name. */
function envFilesOf(service: ServiceLayout, readBy: RegExp): string[] {
  const own = service.env === undefined ? [] : [service.env];
  const keys = service.locations.filter((one) => one.kind === 'env-key');
  return [...own, ...keys]
    .filter(({ readers }) => readers.some(({ name }) => readBy.test(name)))
    .map((one) => one.path);
}

/** The env keys of a service that hold a part of its credential. */
function credentialKeys(service: ServiceLayout): Set<string> {
  const single = service.locations.flatMap((one) => (one.kind === 'env-key' ? [one.key] : []));
  return new Set([...Object.keys(service.env?.keys ?? {}), ...single]);
}

/** How a service without a guard is made to read the files of it that change. */
function usualAction({ service, files, containers, choice }: Circumstances): Restart | 'none' {
  const { restart } = service;
  const changed = files.map((one) => one.path);
  if (choice === 'none' || changed.length === 0 || restart.driver === 'none') return 'none';
  if (choice === 'recreate' || choice === 'restart') return choice;
  if (restart.driver === 'command') return 'restart';
  return restartActionFor({
    changed,
    envFiles: envFilesOf(service, /^compose|^docker-run$/),
    composeFile: restart.file,
    containers,
    mtimeOf,
  });
}

/** What starts a service anew, whatever it reads. */
function afreshFor({ service: { restart }, choice }: Circumstances): Restart | 'none' {
  if (restart.driver === 'none' || choice === 'none') return 'none';
  return restart.driver === 'command' || choice === 'restart' ? 'restart' : 'recreate';
}

/** Whether a container has got a credential at its making: its next process would go back to that one. */
function isMadeWithOne({ service, containers }: Circumstances): boolean {
  const names = new Set([...CREDENTIAL_VARIABLES, ...credentialKeys(service)]);
  return containers.some(({ env }) =>
    [...env].some(([name, value]) => names.has(name) && value.reveal() !== ''),
  );
}

/**
 * Whether all that changes is read by the live server, or by nothing that belongs to it: its PASSWORD's bearer, and
 * parts of the credential in files that no container is made from.
 */
function isReadLive({ service, files }: Circumstances): boolean {
  const passwords = service.locations.filter((one) => one.kind === 'password-file').map((one) => one.path);
  const making = new Set(envFilesOf(service, AT_MAKING));
  const known = credentialKeys(service);
  const isHarmless = ({ path, keys }: PlannedFile) =>
    !making.has(path) &&
    (path !== service.env?.path || keys.every((key) => known.has(key) || key === 'mode'));
  // The guard tells by the bearer whether PASSWORD has changed.
  const isTaken = ({ path, keys }: PlannedFile) => passwords.includes(path) && keys.includes('bearer');
  return files.some(isTaken) && files.every(isHarmless);
}

/** `auto`: a reload where it does all that a new process would. */
async function automatic(given: Circumstances): Promise<RestartPlan> {
  const { service, files } = given;
  const [usual, afresh] = [usualAction(given), afreshFor(given)];
  const isManual = service.restart.driver === 'none';
  const plan = { action: usual, instead: usual, whenStale: afresh, afresh };
  // Nothing else can help where nobody is known to restart it: there the guard need not know the bearer.
  const isReady = async () => {
    const state = await given.guard();
    return state === 'ready' || (isManual && state === 'stranger');
  };
  if (files.length === 0) {
    const mayTry = isManual && envFilesOf(service, AT_MAKING).length === 0;
    return mayTry && (await isReady()) ? { ...plan, whenStale: 'reload' } : plan;
  }
  const fits = usual === (isManual ? 'none' : 'restart') && isReadLive(given) && !isMadeWithOne(given);
  return fits && (await isReady()) ? { ...plan, action: 'reload' } : plan;
}

const REFUSAL_EXIT: Readonly<Partial<Record<GuardState, ExitCode>>> = {
  silent: Exit.unknown,
  open: Exit.open,
};

function refused(service: ServiceLayout, why: string, exit: ExitCode = Exit.usage): Failure {
  return new Failure({
    code: 'reload-impossible',
    exit,
    message: `service "${service.name}": ${why}; nothing was written`,
    remedy: 'use --restart auto: it chooses what makes the service read what changes',
  });
}

/** `reload` by name: whoever asks for it knows what else reads the files, but for what is certain to go back. */
async function byName(given: Circumstances): Promise<RestartPlan> {
  const { service, files, containers, seen } = given;
  const isCompose = service.restart.driver === 'compose';
  const plan = { instead: 'none', afresh: afreshFor(given) } as const;
  if (files.length === 0) {
    const goesBack = isCompose && envFilesOf(service, AT_MAKING).length > 0;
    return { ...plan, action: 'none', whenStale: goesBack ? 'none' : 'reload' };
  }
  if (isCompose && seen && !containers.some(isAlive)) {
    throw refused(service, NO_RELOAD.stopped);
  }
  if (isCompose && seen && (usualAction(given) === 'recreate' || isMadeWithOne(given))) {
    throw refused(service, NO_RELOAD['made-with-one']);
  }
  const state = await given.guard();
  if (state !== 'ready' && state !== 'stranger') {
    throw refused(service, NO_RELOAD[state], REFUSAL_EXIT[state]);
  }
  return { ...plan, action: 'reload', whenStale: 'none' };
}

/**
 * How a service is made to read the files of it that change. Throws a Failure where a reload is asked for by name, and
 * is not possible: exit 2, or 3 where nobody answers, 4 where the server is open.
 */
export async function planRestart(given: Circumstances): Promise<RestartPlan> {
  const changing = { ...given, files: given.files.filter((one) => one.action !== 'none') };
  if (given.choice === 'auto') return automatic(changing);
  if (given.choice === 'reload') return byName(changing);
  const afresh = afreshFor(changing);
  return { action: usualAction(changing), instead: 'none', whenStale: afresh, afresh };
}
