import type { Secret } from '../model/secret.ts';

export type ContainerStatus =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'removing'
  | 'exited'
  | 'dead';

/** A folder or file of the host, or a volume, that a container sees. */
export interface Mount {
  /** `bind`, `volume`, `tmpfs` … */
  type: string;
  /** Absolute, on the host. */
  source: string;
  /** Absolute, in the container. */
  destination: string;
}

export interface PublishedPort {
  hostIp: string;
  hostPort: number;
  containerPort: number;
}

/** One container of a service, as `docker inspect` describes it. */
export interface Container {
  /** 64 hex digits. */
  id: string;
  name: string;
  status: ContainerStatus;
  /** When it was made, and last started; undefined where it never was. */
  createdAt: Date;
  startedAt?: Date;
  exitCode: number;
  outOfMemory: boolean;
  /** How often the engine has restarted it by itself. */
  restarts: number;
  health?: 'starting' | 'healthy' | 'unhealthy';
  /** The folder of the compose file that it was made from. */
  workingDir?: string;
  mounts: Mount[];
  ports: PublishedPort[];
  /** Its environment. Every value counts as a secret. */
  env: ReadonlyMap<string, Secret>;
}

/** Whether a container runs, or is on its way there by itself. */
export const isAlive = ({ status }: Container) => status === 'running' || status === 'restarting';

/** Names the processes that run now: another name means another process. Undefined where none does. */
export function identityOf(containers: readonly Container[]): string | undefined {
  const alive = containers.filter(isAlive).map((one) => `${one.id} ${one.startedAt?.toISOString()}`);
  return alive.length === 0 ? undefined : alive.sort().join(' ');
}
