import { copyFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import { Program } from '../docker/program.ts';
import { Container } from './container.ts';
import { IMAGE, type ImageRig } from './rig.ts';

const image = resolve(import.meta.dirname, '..', '..', '..', 'image');

const FILES = ['compose.yaml', 'compose.cpu.yaml', 'compose.secrets.yaml'] as const;

const FOLDERS = ['models', 'input', 'output', 'user', 'login'];

/** Debian 12's engine does not know `start_interval`, and the server in ComfyUI's place wants no PyTorch. */
const OVERRIDE = `services:
  comfyui:
    environment: { TORCH_LOCK: "off", BREAK_BEFORE_LOADING: "\${BREAK_BEFORE_LOADING:-}" }
    healthcheck: { interval: 1s, start_interval: !reset null }
`;

/** A project folder with the image's own compose files, and with what an operator lays beside them. */
export class Composed {
  readonly folder: string;
  readonly #rig: ImageRig;
  readonly #port: number;
  readonly #files: string[];

  constructor(rig: ImageRig, files: readonly (typeof FILES)[number][], secrets: Record<string, string> = {}) {
    const host = rig.folder();
    this.#rig = rig;
    this.#port = rig.freePort();
    this.folder = host.path;
    for (const name of FILES) copyFileSync(join(image, name), join(this.folder, name));
    writeFileSync(join(this.folder, 'override.yaml'), OVERRIDE);
    for (const name of FOLDERS) host.folder(`workspace/${name}`);
    for (const [name, secret] of Object.entries(secrets)) host.file(`secrets/${name}`, `${secret}\n`);
    this.#files = [...files, 'override.yaml'].flatMap((name) => ['-f', join(this.folder, name)]);
  }

  /** Brings the service up as an operator does, with these variables in the shell; waits until it is healthy. */
  async up(variables: Record<string, string>): Promise<Container> {
    const { engine } = this.#rig;
    await this.compose(variables, 'up', '--no-build', '--detach', '--wait', '--wait-timeout', '180');
    const id = await engine.docker('ps', '--quiet', '--no-trunc', '--filter', `publish=${this.#port}`);
    return this.#rig.adopt(Container.of(engine, id, this.#port));
  }

  /** Runs Compose; rejects with what it said where it fails. */
  async compose(variables: Record<string, string>, ...args: string[]): Promise<string> {
    const { words, env } = this.#rig.compose;
    const [program = '', ...lead] = words;
    const given = {
      COMFYUI_IMAGE: IMAGE,
      COMFYUI_PORT: String(this.#port),
      COMPOSE_PROJECT_NAME: `test-${this.#port}`,
    };
    const ran = new Program([join(env.PATH ?? '', program), [...lead, ...this.#files, ...args]], {
      ...env,
      ...given,
      ...variables,
    });
    expect(await ran.ended, ran.stderr).toBe(0);
    return ran.stdout;
  }
}
