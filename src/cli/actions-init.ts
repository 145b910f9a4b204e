import { init } from '../commands/init.ts';
import { initText } from '../report/results.ts';
import { type Action, type TargetOptions, targetOf } from './actions.ts';

/** `comfyui-auth init` */
export const initAction: Action = async (_args, given, world) => {
  const options = given as TargetOptions & { dryRun?: boolean };
  const result = await init({ ...targetOf(options), dryRun: options.dryRun === true }, world);
  return { result, text: (look) => initText(result, look) };
};
