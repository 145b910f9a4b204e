import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { layComfyUi } from '../../../src/stand-in/tree.ts';
import type { Engine } from './engine.ts';
import { PARTS } from './parts.ts';

const dist = resolve(import.meta.dirname, '..', '..', '..', 'dist');

const PYTHON = '#!/bin/sh\nexec node /opt/comfyui-auth/cli/index.cjs stand-in-python "$@"\n';

/** The targets of the Dockerfile. */
const TARGETS = ['good', 'plain', 'open', 'silent', 'dying'] as const;

export type Image = (typeof TARGETS)[number];

/** The name of an image. */
export const image = (target: Image) => `comfyui-stand-in:${target}`;

/** Imports the base image and builds one image for each target. */
export async function buildImages(engine: Engine): Promise<void> {
  const context = join(engine.folder, 'context');
  const venv = join(context, 'ComfyUI', 'venv', 'bin');
  layComfyUi(join(context, 'ComfyUI'));
  mkdirSync(venv, { recursive: true });
  writeFileSync(join(venv, 'python'), PYTHON);
  chmodSync(join(venv, 'python'), 0o755);
  cpSync(dist, join(context, 'dist'), { recursive: true });
  copyFileSync(process.execPath, join(context, 'node'));
  chmodSync(join(context, 'node'), 0o755);
  copyFileSync(join(import.meta.dirname, 'Dockerfile'), join(context, 'Dockerfile'));

  await engine.docker('import', PARTS.base, 'comfyui-auth-base');
  for (const target of TARGETS) {
    await engine.docker('build', '--quiet', '--target', target, '--tag', image(target), context);
  }
  rmSync(context, { recursive: true });
}
