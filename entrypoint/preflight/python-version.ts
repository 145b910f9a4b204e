import { join } from 'node:path';
import { readRegular } from '../../src/store/read-file.ts';
import { Refusal } from '../exit.ts';
import { fail, type PreflightCheck, pass, skip, unknown } from './check.ts';

/** ComfyUI's own minimum where its pyproject.toml does not say. */
const MINIMUM = '3.9';
const MAX_BYTES = 1024 * 1024;

/** There is a Python, and it answers. */
export const pythonAnswers: PreflightCheck = {
  id: 'python',
  severity: 'error',
  run({ facts, python }) {
    if (facts instanceof Refusal) throw facts;
    return pass(`${python.python} is Python ${facts.version}`);
  },
};

/** It is as new as ComfyUI asks for. */
export const pythonVersion: PreflightCheck = {
  id: 'python-version',
  severity: 'warning',
  run({ facts, settings }) {
    if (facts instanceof Refusal) return skip('that Python gave no answer');
    const minimum = minimumOf(settings.comfyuiDir);
    const newer = atLeast(facts.version, minimum);
    if (newer === undefined) return unknown('that Python names no version');
    return newer
      ? pass(`Python ${facts.version}; ComfyUI asks for ${minimum} or later`)
      : fail(
          `Python ${facts.version} is older than ${minimum}, which ComfyUI asks for`,
          `set COMFYUI_PYTHON to a Python ${minimum} or later that has ComfyUI’s packages`,
        );
  },
};

/** `requires-python` of ComfyUI's own pyproject.toml, as far as it is a plain minimum. */
function minimumOf(comfyuiDir: string): string {
  const found = readRegular(join(comfyuiDir, 'pyproject.toml'), { follow: true, maxBytes: MAX_BYTES });
  const text = found.kind === 'file' ? found.bytes.toString('utf8') : '';
  return /^requires-python\s*=\s*["'][^"'\n]*>=\s*(\d+(?:\.\d+)*)/m.exec(text)?.[1] ?? MINIMUM;
}

function atLeast(version: string, minimum: string): boolean | undefined {
  const numbers = (text: string) => /^\d+(?:\.\d+)*/.exec(text)?.[0].split('.').map(Number);
  const [has, wants] = [numbers(version), numbers(minimum)];
  if (has === undefined || wants === undefined) return undefined;
  for (const [index, wanted] of wants.entries()) {
    const part = has[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
