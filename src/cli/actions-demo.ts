import { dirname, join } from 'node:path';
import { demo } from '../commands/demo.ts';
import { Exit, Failure } from '../model/failure.ts';
import { demoStepText, demoText } from '../report/results.ts';
import type { Action } from './actions.ts';
import { interruption } from './interruption.ts';
import { print, type ScreenOptions, wantsColor } from './screen.ts';

const interrupted = (signal: string) =>
  new Failure({
    code: 'interrupted',
    exit: Exit.unknown,
    message: `ended by ${signal}; nothing was left behind`,
    remedy: 'comfyui-auth demo',
  });

/** `comfyui-auth demo`; its steps are said as they are done. */
export const demoAction: Action = async (_args, given, world, index) => {
  const options = given as ScreenOptions;
  const look = { color: wantsColor(options, process.stdout), root: world.cwd, cwd: world.cwd };
  const bundles = { cli: index, entrypoint: join(dirname(index), '..', 'entrypoint', 'index.cjs') };
  const silent = options.json === true || options.quiet === true;
  // Whoever ends the demonstration wants it gone: what it started and what it wrote.
  const signal = interruption(interrupted);
  const result = await demo({ ...bundles, signal }, world, (step, number, of) => {
    if (!silent) void print(demoStepText(step, number, of, look));
  });
  return { result, text: (last) => demoText(result, last) };
};
