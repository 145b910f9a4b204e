import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseLock } from '../../entrypoint/torch-cache/lock-file.ts';
import { stampStore, storeAt, storeKey } from '../../entrypoint/torch-cache/store.ts';
import { hashPassword, randomSalt } from '../../src/model/bcrypt.ts';
import { Secret } from '../../src/model/secret.ts';
import { Deployment, freshPassword, type Running } from '../process/entrypoint-harness.ts';

/** Modules that stand where the login node's packages would, where no Python with the real ones is named. */
const MODULES = [
  ...['aiohttp', 'aiohttp_session', 'aiohttp_session/cookie_storage', 'jinja2', 'bcrypt'],
  ...['Crypto', 'Crypto/Cipher', 'Crypto/Util', 'Crypto/Util/Padding'],
];

const TORCH = { torch: '2.8.0+cpu', torchvision: '0.23.0+cpu', torchaudio: '2.8.0+cpu' };
const FACTS = `
import json, platform, sys, sysconfig
print(json.dumps({"tag": "cp%d%d" % sys.version_info[:2], "machine": platform.machine(),
    "libc": "-".join(platform.libc_ver()).strip("-"), "sitePackages": sysconfig.get_paths()["purelib"]}))
`;

/** A ComfyUI whose questions a real Python answers, in an environment of its own, and which the stand-in serves. */
export class BootStage {
  readonly deployment: Deployment;
  readonly password = freshPassword();
  readonly python: string;
  readonly #facts: { tag: string; machine: string; libc: string; sitePackages: string };

  private constructor(deployment: Deployment) {
    this.deployment = deployment;
    const venv = join(deployment.folder, 'venv');
    execFileSync('python3', ['-m', 'venv', venv]);
    this.python = join(venv, 'bin', 'python');
    this.#facts = JSON.parse(execFileSync(this.python, ['-c', FACTS], { encoding: 'utf8' }));
    this.#layModules();
    const standIn = readFileSync(deployment.python, 'utf8').split('\n')[1] ?? '';
    deployment.setPython(`case "$1" in -c) exec '${this.python}' "$@";; esac; ${standIn}`);
    const hash = hashPassword(new Secret(this.password), randomSalt());
    writeFileSync(deployment.password, `${hash.reveal()}\nada`);
  }

  static async make(): Promise<BootStage> {
    return new BootStage(await Deployment.make());
  }

  start(env: Record<string, string> = {}): Running {
    const own = { COMFYUI_PASSWORD: this.password, LOG_FORMAT: 'json' };
    return this.deployment.start(['run'], { ...own, ...env });
  }

  /** Lays down a finished store of so many files beside the three packages. Gives what names it. */
  layStore(files: number): Record<string, string> {
    const { folder } = this.deployment;
    const [cache, lockPath] = [join(folder, 'cache'), join(folder, 'torch.lock')];
    const hash = `--hash=sha256:${'0'.repeat(64)}`;
    const lock = Object.entries(TORCH).map(([name, version]) => `${name}==${version} ${hash}\n`);
    writeFileSync(lockPath, lock.join(''));
    const parsed = parseLock(lockPath, lock.join(''));
    const facts = { version: '', versions: {}, ...this.#facts };
    const store = storeAt(cache, storeKey(parsed, facts));
    const names = Array.from({ length: files }, (_, i) => `torch/lib${i % 120}/part${i}.py`);
    for (const name of names) put(join(store.packages, name), `# ${name}\n`);
    for (const [name, version] of Object.entries(TORCH)) {
      names.push(layDistribution(store.packages, name, version));
    }
    const lines = names.sort().map((name) => `${statSync(join(store.packages, name)).size}\t${name}\n`);
    writeFileSync(store.manifest, lines.join(''));
    stampStore(store, {
      builtAt: new Date().toISOString(),
      backend: parsed.backend,
      python: this.#facts.tag,
      packages: Object.entries(TORCH).map(([name, version]) => `${name}==${version}`),
    });
    return { TORCH_LOCK: lockPath, TORCH_CACHE: cache };
  }

  /** Installs so many packages besides; gives a list of requirements, all of them met. */
  layRequirements(count: number): string {
    const names = Array.from({ length: count }, (_, i) => `requirement-${i}`);
    for (const name of names) layDistribution(this.#facts.sitePackages, name, '1.0.0');
    const path = join(this.deployment.folder, 'requirements.txt');
    const lines = [...Object.keys(TORCH), ...names.map((name) => `${name}>=1.0`)];
    writeFileSync(path, `${lines.join('\n')}\n`);
    return path;
  }

  remove(): void {
    this.deployment.remove();
    rmSync(this.deployment.folder, { recursive: true, force: true });
  }

  #layModules(): void {
    const { sitePackages } = this.#facts;
    const real = process.env.COMFYUI_LOGIN_PYTHON;
    if (real === undefined) {
      for (const name of MODULES) put(join(sitePackages, name, '__init__.py'), '');
      return;
    }
    const ask = 'import sysconfig; print(sysconfig.get_paths()["purelib"])';
    const path = execFileSync(real, ['-c', ask], { encoding: 'utf8' });
    writeFileSync(join(sitePackages, 'login-node-packages.pth'), path);
  }
}

function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Says of a package that it is installed. Gives the file that does. */
function layDistribution(folder: string, name: string, version: string): string {
  const path = `${name.replaceAll('-', '_')}-${version}.dist-info/METADATA`;
  put(join(folder, path), `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`);
  return path;
}
