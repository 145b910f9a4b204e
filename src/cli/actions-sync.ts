import { handedInByOptions } from '../commands/sources.ts';
import { sync } from '../commands/sync.ts';
import { syncText } from '../report/results.ts';
import { type Action, type SecretOptions, type TargetOptions, targetOf } from './actions.ts';
import { interruption } from './interruption.ts';

/** `comfyui-auth sync` */
export const syncAction: Action = async (_args, given, world) => {
  const options = given as TargetOptions & SecretOptions & { dryRun?: boolean; variable?: string[] };
  const handedIn = await handedInByOptions(options, world);
  const request = {
    ...targetOf(options),
    dryRun: options.dryRun === true,
    variables: options.variable ?? [],
    signal: interruption(),
    ...(handedIn !== undefined && { handedIn }),
  };
  const result = await sync(request, world);
  return { result, text: (look) => syncText(result, look) };
};
