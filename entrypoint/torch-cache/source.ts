import { ContainerExit, Refusal } from '../exit.ts';
import { pins } from './constraints.ts';
import { installerEnv, pythonPath, type Source } from './installer.ts';
import { TORCH_PACKAGES } from './lock-file.ts';
import type { LockedPorts } from './ports.ts';
import { lackOfWheelhouse } from './wheelhouse.ts';

const PYPI = 'https://pypi.org/simple';

/** An index that takes longer is not one to fetch gigabytes from. */
const ANSWER_SECONDS = 3;

/** Asks in Python, which uses the proxies and certificates that pip will use. Any answer but a 5xx will do. */
const ANSWERS = `
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).close()
except urllib.error.HTTPError as error:
    sys.exit(1 if error.code >= 500 else 0)
except Exception:
    sys.exit(1)
`;

/** Where the wheels are to come from: the wheelhouse, or the network where that is allowed. Throws a `Refusal`. */
export async function chooseSource(ports: LockedPorts, scratch: string): Promise<Source> {
  const { settings, lock, facts, log } = ports;
  const { wheelhouse } = settings;
  let lack = 'there is no wheelhouse';
  if (wheelhouse !== undefined) {
    const found = lackOfWheelhouse(wheelhouse, lock, facts);
    if (found === undefined) return { tier: 'T2', wheelhouse };
    lack = found;
  }
  if (!settings.network) throw noSource(ports, lack);
  if (wheelhouse !== undefined) log.warning('torch-cache', `${lack}: fetching from the index instead`);
  const indexUrl = settings.indexUrl ?? lock.indexUrl ?? PYPI;
  await checkAnswers(ports, indexUrl, scratch);
  const extraIndexUrls = settings.indexUrl === undefined ? lock.extraIndexUrls : [];
  return { tier: 'T3', indexUrl, extraIndexUrls };
}

function noSource({ lock, settings }: LockedPorts, lack: string): Refusal {
  const three = pins(lock).filter((pin) => TORCH_PACKAGES.some((name) => pin.startsWith(`${name}==`)));
  return new Refusal({
    code: settings.wheelhouse === undefined ? 'torch-missing' : 'wheel-missing',
    message: `${three.join(', ')} can neither be imported nor is in ${settings.cacheDir}; ${lack}, and TORCH_NETWORK is off`,
    remedy: `put the wheels of ${lock.path} into ${settings.wheelhouse ?? 'a folder that TORCH_WHEELHOUSE names'}, or set TORCH_NETWORK=on`,
  });
}

async function checkAnswers({ context, clock }: LockedPorts, indexUrl: string, scratch: string) {
  const args = ['-c', ANSWERS, indexUrl, String(ANSWER_SECONDS)];
  const before = clock.monotonicMs();
  const { code } = await context.process.run(pythonPath(context), args, {
    cwd: '/',
    env: installerEnv(context.env, 'T3', scratch),
    // A look-up of the name has no time limit of its own.
    timeoutMs: ANSWER_SECONDS * 1000 + 500,
    signal: context.signal,
    ...(context.user !== undefined && { user: context.user }),
  });
  context.signal.throwIfAborted();
  if (code === 0) return;
  const seconds = ((clock.monotonicMs() - before) / 1000).toFixed(1);
  throw new Refusal({
    code: 'index-unreachable',
    exit: ContainerExit.io,
    message: `TORCH_NETWORK is on, and the index ${new URL(indexUrl).host} did not answer (${seconds} s)`,
    remedy: 'see that the container reaches it, set TORCH_INDEX_URL, or mount the wheels as TORCH_WHEELHOUSE',
  });
}
