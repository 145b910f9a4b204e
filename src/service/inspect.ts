import { Secret } from '../model/secret.ts';
import type { Container, ContainerStatus, Mount, PublishedPort } from './container.ts';

const SERVICE_LABEL = 'com.docker.compose.service';
const ONE_OFF_LABEL = 'com.docker.compose.oneoff';
const FOLDER_LABEL = 'com.docker.compose.project.working_dir';

const STATUSES: readonly string[] = [
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
] satisfies ContainerStatus[];
const HEALTHS: readonly string[] = ['starting', 'healthy', 'unhealthy'] satisfies Container['health'][];

// What engines answer is not ours to trust: whatever is missing or of another kind reads as empty.
type Fields = Readonly<Record<string, unknown>>;
const fields = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const count = (value: unknown): number =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;

/** A moment; undefined for none, which docker writes as the first day of the year 1. */
function moment(value: unknown): Date | undefined {
  const date = new Date(text(value));
  return date.getTime() > 0 ? date : undefined;
}

function statusOf(state: Fields): ContainerStatus {
  const status = text(state.Status);
  if (STATUSES.includes(status)) return status as ContainerStatus;
  return state.Running === true ? 'running' : 'exited';
}

function mountsOf(value: unknown): Mount[] {
  return items(value)
    .map(fields)
    .map((one) => ({ type: text(one.Type), source: text(one.Source), destination: text(one.Destination) }));
}

/** `{"8188/tcp": [{"HostIp": …, "HostPort": …}], "9000/tcp": null}`: a port without an entry is not published. */
function portsOf(value: unknown): PublishedPort[] {
  return Object.entries(fields(value)).flatMap(([port, bindings]) =>
    items(bindings)
      .map(fields)
      .map((one) => ({
        hostIp: text(one.HostIp),
        hostPort: Number(text(one.HostPort)),
        containerPort: Number.parseInt(port, 10),
      }))
      .filter(({ hostPort, containerPort }) => hostPort > 0 && containerPort > 0),
  );
}

function envOf(value: unknown): Map<string, Secret> {
  return new Map(
    items(value).map((line) => {
      const [, key = '', held = ''] = /^([^=]*)=?(.*)$/s.exec(text(line)) ?? [];
      return [key, new Secret(held)];
    }),
  );
}

function containerOf(one: Fields): Container {
  const state = fields(one.State);
  const config = fields(one.Config);
  const startedAt = moment(state.StartedAt);
  const health = text(fields(state.Health).Status);
  const workingDir = text(fields(config.Labels)[FOLDER_LABEL]);
  return {
    id: text(one.Id),
    name: text(one.Name).replace(/^\//, ''),
    status: statusOf(state),
    createdAt: moment(one.Created) ?? new Date(0),
    ...(startedAt !== undefined && { startedAt }),
    exitCode: count(state.ExitCode),
    outOfMemory: state.OOMKilled === true,
    restarts: count(one.RestartCount),
    ...(HEALTHS.includes(health) && { health: health as NonNullable<Container['health']> }),
    ...(workingDir !== '' && { workingDir }),
    mounts: mountsOf(one.Mounts),
    ports: portsOf(fields(one.NetworkSettings).Ports),
    env: envOf(config.Env),
  };
}

/** Whether compose made this container for the service itself, not for a `run` beside it. */
function belongs(one: Fields, service: string): boolean {
  const labels = fields(fields(one.Config).Labels);
  return labels[SERVICE_LABEL] === service && labels[ONE_OFF_LABEL] !== 'True';
}

/**
 * The containers of a compose service in what `docker inspect` printed. What is missing or odd reads as empty; a
 * container without a date of creation counts as old. Undefined where the text is no JSON list.
 */
export function containersIn(stdout: string, service: string): Container[] | undefined {
  let list: unknown;
  try {
    list = JSON.parse(stdout);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  return list
    .map(fields)
    .filter((one) => belongs(one, service) && text(one.Id) !== '')
    .map(containerOf);
}
