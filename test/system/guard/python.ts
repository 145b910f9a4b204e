import { spawnSync } from 'node:child_process';
import { requires } from '../capability.ts';

/** The Python that has the login node's packages. */
export const PYTHON = process.env.COMFYUI_LOGIN_PYTHON ?? 'python3';

const PACKAGES = ['aiohttp', 'aiohttp_session', 'cryptography', 'jinja2', 'bcrypt', 'Crypto'];

/** Whether tests that run the guard must be skipped. */
export function withoutPython(): boolean {
  const { status } = spawnSync(PYTHON, ['-c', `import ${PACKAGES.join(', ')}`]);
  return requires(`Python with ${PACKAGES.join(', ')} (COMFYUI_LOGIN_PYTHON names one)`, status === 0);
}
