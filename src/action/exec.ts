import { getExecOutput } from '@actions/exec';
import type { ProcessPort } from '../platform/process.ts';

/** The process port of the action: @actions/exec, silent, so that no argument and no output reaches the log. */
export const actionProcess: ProcessPort = {
  async run(command, args, options = {}) {
    try {
      const { exitCode, stdout, stderr } = await getExecOutput(command, [...args], {
        silent: true,
        ignoreReturnCode: true,
        ...(options.input !== undefined && { input: Buffer.from(options.input) }),
        ...(options.cwd !== undefined && { cwd: options.cwd }),
        ...(options.env !== undefined && { env: options.env as Record<string, string> }),
      });
      return { code: exitCode, stdout, stderr };
    } catch {
      // It rejects where the program is not there; its message would repeat the arguments.
      return { code: null, stdout: '', stderr: '', failure: 'ENOENT' };
    }
  },
};
