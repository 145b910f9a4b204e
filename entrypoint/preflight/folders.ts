import { join, resolve } from 'node:path';
import { optionValue } from '../comfyui-args.ts';
import type { PreflightWorld } from './check.ts';

/** The folders that ComfyUI will use with these arguments (its folder_paths.py, its main.py). */
export interface ComfyUiFolders {
  models: string;
  output: string;
  input: string;
  temp: string;
  user: string;
}

/** Takes the final command line; what is relative is so to ComfyUI's working folder. */
export function comfyUiFolders({
  settings,
  args,
  argv,
}: Pick<PreflightWorld, 'settings' | 'args' | 'argv'>): ComfyUiFolders {
  const dir = settings.comfyuiDir;
  const base = resolve(dir, args.baseDirectory ?? '.');
  const at = (name: string, option: string, shortest: string) => {
    const given = optionValue(argv, option, shortest);
    return given === undefined ? join(base, name) : resolve(dir, given);
  };
  const temp = optionValue(argv, '--temp-directory', '--te');
  return {
    models: join(base, 'models'),
    output: at('output', '--output-directory', '--ou'),
    input: at('input', '--input-directory', '--in'),
    temp: temp === undefined ? join(base, 'temp') : resolve(dir, temp, 'temp'),
    user: at('user', '--user-directory', '--user'),
  };
}
