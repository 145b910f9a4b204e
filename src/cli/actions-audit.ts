import { audit } from '../commands/audit.ts';
import { handedInByOptions } from '../commands/sources.ts';
import type { Severity } from '../model/finding.ts';
import { auditText } from '../report/results.ts';
import { type Action, type SecretOptions, type TargetOptions, targetOf } from './actions.ts';

/** `comfyui-auth audit` */
export const auditAction: Action = async (_args, given, world) => {
  const options = given as TargetOptions &
    SecretOptions & { failOn: Severity; live?: boolean; timeout: number };
  const handedIn = await handedInByOptions(options, world);
  const request = {
    ...targetOf(options),
    failOn: options.failOn,
    ...(options.live === true && { live: { timeoutMs: options.timeout } }),
    ...(handedIn !== undefined && { handedIn }),
  };
  const result = await audit(request, world);
  return { result, text: (look) => auditText(result, look) };
};
