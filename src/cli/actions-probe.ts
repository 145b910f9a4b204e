import { probe } from '../commands/probe.ts';
import { handedInByOptions } from '../commands/sources.ts';
import { probeText } from '../report/probe.ts';
import { type Action, type SecretOptions, type TargetOptions, targetOf } from './actions.ts';

/** `comfyui-auth probe` */
export const probeAction: Action = async (_args, given, world) => {
  const options = given as TargetOptions & SecretOptions & { url?: string; timeout: number; rounds: number };
  const handedIn = await handedInByOptions(options, world);
  const request = {
    ...targetOf(options),
    timeoutMs: options.timeout,
    rounds: options.rounds,
    ...(options.url !== undefined && { url: options.url }),
    ...(handedIn !== undefined && { handedIn }),
  };
  const result = await probe(request, world);
  return { result, text: (look) => probeText(result, look) };
};
