import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The login node's folder in a ComfyUI folder, under the name that its repository has. */
export const LOGIN_NODE = 'custom_nodes/ComfyUI-Login';

/** The guard's folder beside it. */
export const GUARD_NODE = 'custom_nodes/comfyui-auth-guard';

const FILES: Record<string, string> = {
  'main.py': '# Stands where ComfyUI has its main program.\n',
  'folder_paths.py':
    '# The folder of this file is the one in which the login node looks for login/PASSWORD.\n',
  [`${LOGIN_NODE}/__init__.py`]: 'from .password import *\n',
  [`${LOGIN_NODE}/password.py`]: '# Stands where ComfyUI-Login has its guard, check_login_status.\n',
};

/** Lays down the files by which a folder is known as ComfyUI with its login node. */
export function layComfyUi(comfyuiDir: string): void {
  mkdirSync(join(comfyuiDir, LOGIN_NODE), { recursive: true });
  mkdirSync(join(comfyuiDir, 'login'), { recursive: true });
  for (const [path, content] of Object.entries(FILES)) writeFileSync(join(comfyuiDir, path), content);
}

/** Lays down the file by which the guard is known beside the login node. */
export function layGuard(comfyuiDir: string): void {
  mkdirSync(join(comfyuiDir, GUARD_NODE), { recursive: true });
  const content = '# Stands where ComfyUI has the comfyui-auth guard.\nVERSION = "0.1.0"\n';
  writeFileSync(join(comfyuiDir, GUARD_NODE, '__init__.py'), content);
}
