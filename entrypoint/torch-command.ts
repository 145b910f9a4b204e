import { ContainerExit } from './exit.ts';
import { makePlan } from './plan.ts';
import type { Ports } from './ports.ts';
import { askPython } from './python.ts';
import { readSettings } from './settings.ts';
import { readTorch } from './torch.ts';
import { readTorchCommand, TORCH_USAGE, torchCacheCommand } from './torch-cache/index.ts';

/** What the command needs of the outside world. */
type TorchPorts = Pick<Ports, 'env' | 'self' | 'process' | 'clock' | 'redactor' | 'log'> & {
  signal: AbortSignal;
  /** Takes the answer. */
  write(words: string): void;
};

/** `torch-cache …` for the Python and the settings of this container. Gives the exit code; throws a `Refusal`. */
export async function torchCache(args: string[], ports: TorchPorts): Promise<number> {
  const command = readTorchCommand(args);
  if (command === undefined) {
    ports.write(TORCH_USAGE);
    return ContainerExit.usage;
  }
  const { env, self, process, signal } = ports;
  const settings = readSettings(ports);
  const { python: context } = await makePlan(settings, [], { env, process, signal });
  const torch = readTorch(env);
  const facts = await askPython(context, { distributions: torch.distributions });
  return torchCacheCommand(command, { ...ports, ...torch, context, facts, owner: settings.user ?? self });
}
