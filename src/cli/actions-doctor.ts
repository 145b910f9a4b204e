import { doctor } from '../commands/doctor.ts';
import { handedInByOptions } from '../commands/sources.ts';
import { doctorText } from '../report/doctor.ts';
import { type Action, type SecretOptions, type TargetOptions, targetOf } from './actions.ts';

/** `comfyui-auth doctor` */
export const doctorAction: Action = async (_args, given, world) => {
  const options = given as TargetOptions & SecretOptions & { url?: string; timeout: number };
  const handedIn = await handedInByOptions(options, world);
  const request = {
    ...targetOf(options),
    timeoutMs: options.timeout,
    ...(options.url !== undefined && { url: options.url }),
    ...(handedIn !== undefined && { handedIn }),
  };
  const result = await doctor(request, world);
  return { result, text: (look) => doctorText(result, look) };
};
