import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Exit, type ExitCode, Failure } from '../model/failure.ts';
import { type FindingCode, reaches } from '../model/finding.ts';
import { audit } from './audit.ts';
import { type Booted, bootDemo, freePort } from './demo-boot.ts';
import { type DemoSecrets, layDemoTree, photograph } from './demo-tree.ts';
import { probe } from './probe.ts';
import { sync } from './sync.ts';
import type { World } from './world.ts';

export interface DemoRequest {
  /** The built terminal program: it also plays ComfyUI. */
  cli: string;
  /** The built entrypoint. */
  entrypoint: string;
  signal?: AbortSignal;
}

export interface DemoStep {
  /** What was to be shown. */
  title: string;
  verified: boolean;
  /** What was seen, a line each. */
  seen: string[];
  ms: number;
}

export interface DemoResult {
  command: 'demo';
  status: 'verified' | 'failed';
  exitCode: ExitCode;
  root: string;
  services: [];
  findings: [];
  steps: DemoStep[];
}

/** What the first audit has to find in the tree. */
const PLANTED: readonly FindingCode[] = [
  'value-mangled',
  'bearer-malformed',
  'other-lineage',
  'password-drift',
  'key-missing',
  'placeholder',
  'mode-too-open',
  'backup-stale',
];

/** What a step saw, and whether that is what it was to show. */
interface Sight {
  verified: boolean;
  seen: string[];
}

/** The demonstration: one deployment, step after step. */
class Demo {
  readonly #root: string;
  readonly #runDir: string;
  readonly #secrets: DemoSecrets;
  readonly #world: World;
  readonly #request: DemoRequest;
  readonly #url: string;
  booted: Booted | undefined;

  constructor(
    place: { root: string; runDir: string; url: string },
    secrets: DemoSecrets,
    request: DemoRequest,
    world: World,
  ) {
    this.#root = place.root;
    this.#runDir = place.runDir;
    this.#url = place.url;
    this.#secrets = secrets;
    this.#request = request;
    // Nothing of the caller's shell may take part: neither its credentials nor its workspace.
    const env = {
      PATH: world.env.PATH,
      HF_TOKEN: secrets.hfToken.reveal(),
      CIVITAI_TOKEN: secrets.civitaiToken.reveal(),
    };
    this.#world = { ...world, env, progress: () => undefined };
  }

  get #handedIn() {
    return { password: this.#secrets.password.reveal(), origin: 'the demonstration' };
  }

  async #audit() {
    const request = { root: this.#root, services: [], failOn: 'error', handedIn: this.#handedIn } as const;
    return audit(request, this.#world);
  }

  async #sync() {
    const variables = ['HF_TOKEN', 'CIVITAI_TOKEN'];
    const request = { root: this.#root, services: [], dryRun: false, variables, handedIn: this.#handedIn };
    return sync(request, this.#world);
  }

  async firstAudit(): Promise<Sight> {
    const { findings, exitCode } = await this.#audit();
    const codes = new Set<FindingCode>(findings.map((one) => one.code));
    const missed = PLANTED.filter((code) => !codes.has(code));
    const seen = [...codes].map((code) => `${code} × ${findings.filter((one) => one.code === code).length}`);
    return { verified: missed.length === 0 && exitCode === Exit.findings, seen: [seen.join(', ')] };
  }

  async firstSync(): Promise<Sight> {
    const { status, services, findings } = await this.#sync();
    const verified = status === 'changed';
    const files = services.flatMap((one) => one.files).filter((one) => one.action !== 'none');
    const why = findings.map(({ code, args }) => `${code} ${JSON.stringify(args)}`);
    return {
      verified,
      seen: verified ? [`${status}: ${files.length} files, the old ones kept`] : [status, ...why],
    };
  }

  async secondAudit(): Promise<Sight> {
    const { findings, exitCode, services } = await this.#audit();
    const left = findings.filter((one) => reaches(one.severity, 'warning')).map((one) => one.code);
    const rows = services.flatMap((one) => one.locations);
    const good = rows.every((row) => row.state === 'ok');
    const rest = left.length === 0 ? '' : `; left for a person to decide: ${left.join(', ')}`;
    return {
      verified: exitCode === Exit.ok && good,
      seen: [`${rows.length} places agree, pair ${services[0]?.pair}${rest}`],
    };
  }

  async boot(): Promise<Sight> {
    this.booted = await bootDemo(this.#root, this.#request.entrypoint, this.#runDir, this.#request.signal);
    return {
      verified: true,
      seen: [
        `ready after ${(this.booted.readyAfterMs / 1000).toFixed(1)} s, with the .env as Compose reads it`,
      ],
    };
  }

  async proof(): Promise<Sight> {
    const { status, services } = await probe(
      {
        root: this.#root,
        services: [],
        handedIn: this.#handedIn,
        url: this.#url,
        timeoutMs: 30_000,
        rounds: 3,
        ...(this.#request.signal !== undefined && { signal: this.#request.signal }),
      },
      this.#world,
    );
    const passed = services.flatMap((one) => one.checks).filter((one) => one.verdict === 'pass');
    return { verified: status === 'proved', seen: [`${status}: ${passed.map((one) => one.id).join(', ')}`] };
  }

  async secondSync(): Promise<Sight> {
    const before = photograph(this.#root);
    const { status } = await this.#sync();
    const same = photograph(this.#root) === before;
    return {
      verified: status === 'unchanged' && same,
      seen: [`${status}: ${same ? 'no byte and no time of change differs' : 'files differ'}`],
    };
  }

  async stop(): Promise<Sight> {
    const code = await this.booted?.stop();
    this.booted = undefined;
    return { verified: code === 0, seen: [`the entrypoint ended with ${code}`] };
  }

  steps(): { title: string; run: () => Promise<Sight> }[] {
    return [
      { title: 'audit: says what is wrong, and why', run: () => this.firstAudit() },
      { title: 'sync: one credential in every location', run: () => this.firstSync() },
      { title: 'audit: every location agrees', run: () => this.secondAudit() },
      { title: 'boot through the entrypoint: PASSWORD written, ComfyUI proven', run: () => this.boot() },
      { title: 'probe: refused without, accepted with', run: () => this.proof() },
      { title: 'sync again: changes nothing', run: () => this.secondSync() },
      { title: 'stop: clean', run: () => this.stop() },
    ];
  }
}

async function play(
  demo: Demo,
  signal: AbortSignal | undefined,
  report: (step: DemoStep, number: number, of: number) => void,
): Promise<DemoStep[]> {
  const done: DemoStep[] = [];
  const steps = demo.steps();
  for (const { title, run } of steps) {
    signal?.throwIfAborted();
    const start = performance.now();
    let sight: Sight;
    try {
      sight = await run();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Failure)) throw error;
      sight = { verified: false, seen: [error.message] };
    }
    const step = { title, ...sight, ms: Math.round(performance.now() - start) };
    done.push(step);
    report(step, done.length, steps.length);
    // What comes after builds on this step.
    if (!step.verified) break;
  }
  return done;
}

/**
 * Plays the main job through on a deployment of its own in a temporary folder, with a stand-in for ComfyUI.
 * Verified only if every step was; leaves nothing behind.
 */
export async function demo(
  request: DemoRequest,
  world: World,
  report: (step: DemoStep, number: number, of: number) => void,
): Promise<DemoResult> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-demo-')));
  const root = join(folder, 'deployment');
  let running: Demo | undefined;
  try {
    const port = await freePort();
    const secrets = await layDemoTree(root, port, request.cli, world);
    const place = { root, runDir: join(folder, 'run'), url: `http://127.0.0.1:${port}` };
    running = new Demo(place, secrets, request, world);
    const steps = await play(running, request.signal, report);
    const verified = steps.length === running.steps().length && steps.every((one) => one.verified);
    const exitCode = verified ? Exit.ok : Exit.findings;
    const status = verified ? 'verified' : 'failed';
    return { command: 'demo', status, exitCode, root, services: [], findings: [], steps };
  } finally {
    await running?.booted?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
