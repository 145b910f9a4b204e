import type { ComfyUiArgs } from '../comfyui-args.ts';
import { type PreflightCheck, pass, skip } from '../preflight/check.ts';
import { type GuardOptions, searchGuard } from './look.ts';

/** The guard stands as it should, or the next start can put it there. */
export const guardCheck = (comfyuiDir: string, args: ComfyUiArgs, options: GuardOptions): PreflightCheck => ({
  id: 'guard',
  severity: 'error',
  async run() {
    const { wanted, loaded } = await searchGuard(comfyuiDir, args, options);
    if (wanted === 'off') return skip(loaded[0] ?? 'no guard is put there (GUARD_COPY)');
    const fault = wanted.fault();
    return pass(
      fault === undefined ? wanted.place : `${fault}: the next start restores it from ${options.copy ?? ''}`,
    );
  },
});
