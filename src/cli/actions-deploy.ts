import { deploy } from '../commands/deploy.ts';
import type { DeployRequest } from '../commands/deploy-result.ts';
import { handedInByOptions } from '../commands/sources.ts';
import type { RestartChoice } from '../model/layout.ts';
import { deployText } from '../report/deploy.ts';
import { type Action, type SecretOptions, type TargetOptions, targetOf } from './actions.ts';
import { interruption } from './interruption.ts';

interface DeployOptions extends TargetOptions, SecretOptions {
  dryRun?: boolean;
  variable?: string[];
  url?: string;
  timeout: number;
  rounds: number;
  restart: RestartChoice;
}

/** `comfyui-auth deploy` */
export const deployAction: Action = async (_args, given, world) => {
  const options = given as DeployOptions;
  const handedIn = await handedInByOptions(options, world);
  const request: DeployRequest = {
    ...targetOf(options),
    dryRun: options.dryRun === true,
    variables: options.variable ?? [],
    timeoutMs: options.timeout,
    rounds: options.rounds,
    restart: options.restart,
    signal: interruption(),
    ...(options.url !== undefined && { url: options.url }),
    ...(handedIn !== undefined && { handedIn }),
  };
  const result = await deploy(request, world);
  return { result, text: (look) => deployText(result, look) };
};
