import type { ComfyUiArgs } from '../comfyui-args.ts';
import type { EnsureOptions } from './ensure.ts';
import { customNodeFolders } from './folders.ts';
import { checkPinned } from './pin.ts';
import { notFound } from './refusals.ts';
import { surveyLoginNodes } from './survey.ts';

/**
 * As `ensureLoginNode`, but changes nothing: the folder of the login node that ComfyUI would load, undefined where the
 * next start restores it. Throws a `Refusal` where that start would be refused.
 */
export async function lookForLoginNode(
  comfyuiDir: string,
  args: ComfyUiArgs,
  options: EnsureOptions,
): Promise<string | undefined> {
  const { pin, allow, copy } = options;
  const { folders } = await customNodeFolders(comfyuiDir, args, options);
  const survey = surveyLoginNodes(folders, args.onlyNodes);
  for (const folder of survey.loaded) {
    checkPinned(folder, { pin, allow }, (version) => `put ${version} there, or remove ${folder}`);
  }
  const [found] = survey.loaded;
  if (found === undefined && copy === undefined) throw notFound({ comfyuiDir, args, folders, survey });
  return found;
}
