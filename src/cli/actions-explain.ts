import { explain } from '../commands/explain.ts';
import { READER_NAMES, type ReaderSpec } from '../model/layout.ts';
import { explainText } from '../report/results.ts';
import { type Action, type TargetOptions, targetOf } from './actions.ts';

/** `comfyui-auth explain FILE` */
export const explainAction: Action = async ([file = ''], given, world) => {
  const options = given as TargetOptions & { reader?: ReaderSpec[]; reveal?: boolean };
  const request = {
    ...targetOf(options),
    file,
    readers: options.reader ?? READER_NAMES.map((name) => ({ name })),
    reveal: options.reveal === true,
  };
  const result = await explain(request, world);
  return { result, text: (look) => explainText(result, look) };
};
