import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { Failure } from '../../src/model/failure.ts';
import { Secret } from '../../src/model/secret.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeProcess } from '../../src/platform/process.ts';
import { Redactor } from '../../src/platform/redact.ts';
import { DockerCommand } from '../../src/service/docker-command.ts';
import type { ServiceDriver } from '../../src/service/driver.ts';
import { Engine, EngineMemory } from '../../src/service/engine.ts';
import { driverFor, type ServiceDeps } from '../../src/service/index.ts';
import { cheapHash, freshSecret } from './deployment.ts';
import { type StubBehaviour, StubDocker } from './stub-docker.ts';

export const SERVICE = 'comfyui-qwen';
/** Another service, with the name of the first in its own. */
export const MONITOR = 'comfyui-qwen-idle-monitor';

export const password = freshSecret();
export const bearer = cheapHash(password);
const secrets = new Redactor();
secrets.add(new Secret(password), new Secret(bearer));

/** A compose file, and a stub of docker that knows its services; gone after the test. */
export class ComposeStage {
  readonly stub = new StubDocker();
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'comfyui-auth-service-')));
  readonly file = join(this.root, 'docker-compose.yml');

  constructor() {
    onTestFinished(async () => {
      rmSync(this.root, { recursive: true, force: true });
      await this.stub.remove();
    });
    writeFileSync(this.file, 'services: {}\n');
    this.stub.change((state) => {
      state.services = { [SERVICE]: {}, [MONITOR]: {} };
    });
  }

  engine(): Engine {
    const docker = new DockerCommand(nodeProcess, { PATH: this.stub.path }, 20_000);
    return new Engine(docker, new EngineMemory(systemClock));
  }

  driver(more: Partial<ServiceDeps> = {}): ServiceDriver {
    return driverFor(
      { driver: 'compose', file: this.file, service: SERVICE },
      {
        process: nodeProcess,
        env: { PATH: this.stub.path, HOME: this.root },
        root: this.root,
        envKeys: [],
        hide: (text) => secrets.redact(text),
        memory: new EngineMemory(systemClock),
        timeoutMs: 20_000,
        questionMs: 20_000,
        ...more,
      },
    );
  }

  /** The containers of a service as they are now. */
  of(service = SERVICE) {
    return this.stub.state().containers.filter((one) => one.service === service);
  }

  /** What the stub does in the place of a verb. */
  when(verb: string, behaviour: StubBehaviour): void {
    this.stub.change((state) => {
      state.on[verb] = behaviour;
    });
  }

  get verbs(): string[] {
    return this.stub.calls().map((call) => call.verb);
  }
}

/** The Failure that a promise ends in. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Failure);
  return error as Failure;
}
