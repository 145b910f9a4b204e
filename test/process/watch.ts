import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ACTION, CLI, cleanEnv, Deployment, freshSecret } from './deployment.ts';
import { expectSilent } from './silence.ts';

/** A deployment, the secrets in and around it, and everything that leaves the programs that handle them. */
export class Watch {
  readonly tree = new Deployment();
  readonly aside = mkdtempSync(join(tmpdir(), 'comfyui-auth-aside-'));
  readonly canaries = [this.tree.password, this.tree.bearer, ...Object.values(this.tree.secrets)];

  remove(): void {
    this.tree.remove();
    rmSync(this.aside, { recursive: true, force: true });
  }

  /** A secret that is looked for from now on. */
  canary(odd = '', prefix = ''): string {
    const secret = `${prefix}${freshSecret()}${odd}${freshSecret()}`;
    this.canaries.push(secret, ...secret.split(/[\s'"=#]+/).filter((piece) => piece.length >= 20));
    return secret;
  }

  /** `git` and `flock` that write down their arguments and their environment. */
  watchedPath(): string {
    const bin = join(this.aside, 'bin');
    mkdirSync(bin, { recursive: true });
    for (const name of ['git', 'flock']) {
      const record = `{ printf '%s\\n' ${name} "$@"; env; } >>'${this.aside}/children'`;
      const real = name === 'flock' ? 'PATH=/usr/bin:/bin; exec flock "$@"' : '';
      writeFileSync(join(bin, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${record}\n${real}\n`);
      chmodSync(join(bin, name), 0o755);
    }
    writeFileSync(join(this.aside, 'children'), '');
    return `${bin}:${process.env.PATH}`;
  }

  /** Runs a bundle beside this process, whose servers go on answering. */
  async run(bundle: string, args: string[], env: Record<string, string> = {}, input = '') {
    const child = spawn(process.execPath, [bundle, ...args], {
      env: cleanEnv({ PATH: this.watchedPath(), ...env }),
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const [code] = await once(child, 'close');
    return {
      code: code as number | null,
      stdout,
      stderr,
      children: readFileSync(join(this.aside, 'children'), 'utf8'),
    };
  }

  /** What a run left in the state folder, the kept old files apart: those hold old secrets, for their owner alone. */
  stateText(): string {
    const texts: string[] = [];
    const folder = this.tree.path('.comfyui-auth');
    if (!existsSync(folder)) return '';
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      expect(statSync(path).mode & 0o777, path).toBe(entry.isDirectory() ? 0o700 : 0o600);
      if (entry.isFile() && !/\/backups\/[^/]+\/\d+$/.test(path)) texts.push(readFileSync(path, 'utf8'));
    }
    return texts.join('\n');
  }

  /** Runs the terminal, as text and as JSON, and looks for every canary in all that leaves it. */
  async terminal(args: string[], env: Record<string, string> = {}, input = ''): Promise<void> {
    for (const json of [[], ['--json']]) {
      const ran = await this.run(CLI, [...args, '--root', this.tree.root, ...json], env, input);
      expectSilent([ran.stdout, ran.stderr, ran.children, this.stateText()].join('\n'), this.canaries);
      if (json.length > 0) expect(JSON.parse(ran.stdout)).toHaveProperty('status');
      expect(ran.code).not.toBe(null);
    }
  }

  /** Runs the action, and looks for every canary in all that leaves it but the masks. */
  async action(inputs: Record<string, string>, env: Record<string, string> = {}): Promise<void> {
    const named = Object.entries({ root: this.tree.root, ...inputs }).map(([k, v]) => [
      `INPUT_${k.toUpperCase()}`,
      v,
    ]);
    for (const name of ['output', 'summary']) writeFileSync(join(this.aside, name), '');
    const ran = await this.run(ACTION, [], {
      ...Object.fromEntries(named),
      GITHUB_OUTPUT: join(this.aside, 'output'),
      GITHUB_STEP_SUMMARY: join(this.aside, 'summary'),
      RUNNER_TEMP: this.aside,
      ...env,
    });
    const said = ran.stdout.split('\n').filter((line) => !line.startsWith('::add-mask::'));
    const reports = readdirSync(this.aside).filter((name) => name.endsWith('.json'));
    const files = ['output', 'summary', ...reports].map((name) =>
      readFileSync(join(this.aside, name), 'utf8'),
    );
    expectSilent([...said, ran.stderr, ran.children, ...files, this.stateText()].join('\n'), this.canaries);
    // Foreign text never makes a command of its own.
    for (const line of said)
      expect(line).toMatch(/^(?:::(?:error|warning|notice)(?: |::)|(?!.*(?:##\[|(?:^|\s)::)))/);
  }
}
