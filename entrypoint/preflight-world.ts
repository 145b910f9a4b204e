import { statfs } from 'node:fs/promises';
import type { Refusal } from './exit.ts';
import type { Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import type { PreflightWorld } from './preflight/check.ts';
import type { PythonFacts } from './python.ts';
import type { Torch } from './torch.ts';

/** What a preflight needs of the outside world. */
type WorldPorts = Pick<Ports, 'env' | 'self' | 'redactor' | 'runFolder'>;

/** Puts together what the checks look at. `running`: an entrypoint is at work here already. */
export function worldOf(
  { settings, command, args, python }: Plan,
  { facts, torch }: { facts: PythonFacts | Refusal; torch: Torch },
  { env, self, redactor, runFolder }: WorldPorts,
  running = false,
): PreflightWorld {
  const published = { host: '127.0.0.1', port: settings.port };
  return {
    settings,
    argv: command,
    args,
    listens: settings.expose === 'relay' ? [args, published] : [args],
    env,
    self,
    owner: settings.user ?? self,
    python,
    facts,
    runDir: runFolder,
    ...(torch.lock !== undefined && { cacheDir: torch.settings.cacheDir, torchProvided: true }),
    running,
    pid: process.pid,
    root: '/',
    statfs,
    redact: (text) => redactor.redact(text),
    signal: python.signal,
  };
}
