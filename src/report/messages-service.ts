import type { FindingArgs } from '../model/finding.ts';
import { endIt } from './driver-words.ts';
import type { WordTable } from './words.ts';

type ServiceCode =
  | 'engine-unreachable'
  | 'compose-missing'
  | 'container-missing'
  | 'container-exited'
  | 'container-restarting'
  | 'restart-failed'
  | 'left-stopped'
  | 'unproven'
  | 'stale-process'
  | 'container-env-drift'
  | 'mount-elsewhere'
  | 'port-exposed'
  | 'login-node-missing'
  | 'login-node-broken';

/** Why no Docker Engine answers (codes of service/). */
const ENGINE_REASONS: Readonly<Record<string, string>> = {
  'docker-missing': 'docker is not on PATH',
  permission: 'this user may not speak to it',
  'no-answer': 'nothing answers where docker looks for it',
  timeout: 'it does not answer in time',
  'docker-unusable': 'the docker command cannot be run',
};

const ENGINE_REMEDIES: Readonly<Record<string, string>> = {
  'docker-missing': 'install the docker command, or put its folder on PATH',
  permission: 'run this as root, or as a member of the group docker',
};

/** `(exit code 1)`, with the reason of an end by lack of memory. */
const ending = ({ exitCode, oom }: FindingArgs) =>
  oom === true ? ' (out of memory)' : exitCode === undefined ? '' : ` (exit code ${exitCode})`;

/** Which value stands where: only bearers have a fingerprint to show. */
const against = ({ found, expected }: FindingArgs) =>
  found === undefined || expected === undefined ? '' : `: ${found} there, ${expected} in the file`;

/** A container that does not run, though it never ended. */
const IDLE: Readonly<Record<string, string>> = {
  created: 'was made and never started',
  paused: 'is paused',
  removing: 'is being removed',
};

/** Why the login node's import failed (codes of service/look-inside.ts). */
const IMPORT_FAULTS: Readonly<Record<string, string>> = {
  permission: 'it may not read a file that it needs: login/PASSWORD, or its own folder',
  'not-utf8': 'login/PASSWORD is not UTF-8',
  'is-a-folder': 'login/PASSWORD is a folder: Docker makes one of a mounted file that is missing',
  'session-key': 'its .secret-key.txt holds no usable key',
};

const importFault = ({ reason, module }: FindingArgs) =>
  module === undefined ? IMPORT_FAULTS[String(reason)] : `the Python package ${module} is missing`;

/** The words of findings about the container of a service; the path is the container's name where it is one. */
export const serviceWords: WordTable<ServiceCode> = {
  'engine-unreachable': ({ args }) => ({
    message: `no Docker Engine answers: ${ENGINE_REASONS[String(args.reason)] ?? String(args.reason)}`,
    remedy:
      ENGINE_REMEDIES[String(args.reason)] ?? 'docker version   # starts to answer when the engine runs',
  }),
  'compose-missing': () => ({
    message: 'neither "docker compose" nor "docker-compose" can be run',
    remedy: 'install the Compose plugin of docker',
  }),
  'container-missing': ({ path, args, service, root }) => ({
    message: `${path}: the service ${args.service} has no container`,
    remedy: `comfyui-auth deploy${root}${service}`,
  }),
  'container-exited': ({ path, args, target }) => ({
    message: `the container ${path} ${IDLE[String(args.status)] ?? `has ended${ending(args)}`}`,
    remedy: `docker logs --tail 50 ${target}   # mask the token before you show them to anyone`,
  }),
  'container-restarting': ({ path, args, target }) => ({
    message: `the container ${path} ends again and again${ending(args)}, ${args.restarts} restarts so far`,
    remedy: `docker logs --tail 50 ${target}   # mask the token before you show them to anyone`,
  }),
  'restart-failed': ({ path, args, service, root }) => ({
    message: `${path}: it could not be made to read its files again: ${args.reason}`,
    remedy:
      args.remedy === undefined
        ? `comfyui-auth deploy${root}${service}   # when the cause is mended`
        : String(args.remedy),
  }),
  'left-stopped': ({ path, args, service, root }) => ({
    message:
      args.certain === true
        ? `${path}: it could not be proven and was left STOPPED; every file is as it was before`
        : `${path}: it could not be proven and could NOT be stopped: it may be open to everyone who reaches it`,
    remedy:
      args.certain === true
        ? `comfyui-auth deploy${root}${service}   # when the cause is mended: starts it, and proves it`
        : 'stop it by hand, at once',
  }),
  unproven: ({ path, args, root }) => ({
    message:
      args.reason === 'unnamed'
        ? `${path}: it may run with files that were put back since, and the layout no longer names it`
        : `${path}: it may run with files that were put back since, and nothing says how it is restarted`,
    remedy: `comfyui-auth probe${root}   # after you have restarted ${path} by hand`,
  }),
  'stale-process': ({ path, args, service, root }) =>
    args.guard === true
      ? {
          message: `${path} was changed, and the guard has not read it again: the server still holds the old credential`,
          remedy: `comfyui-auth deploy${root}${service}   # a reload by the guard, where that is enough`,
        }
      : {
          message: `the server was started before ${path} was changed: it still holds the old credential`,
          remedy: `comfyui-auth deploy${root}${service}`,
        },
  'container-env-drift': ({ path, args, service, root }) => ({
    message: `${args.key} in the container ${path} is not what the files hold${against(args)}`,
    remedy: `comfyui-auth deploy${root}${service}`,
  }),
  'mount-elsewhere': ({ path, args }) => ({
    message:
      args.how === 'made'
        ? `the container ${path} was made from ${args.source}, not from ${args.expected}: it belongs to another checkout`
        : `the container ${path} mounts ${args.source}, not ${args.expected}: it was started from another checkout`,
    remedy: 'docker compose up -d --force-recreate   # in the folder that the container should belong to',
  }),
  'port-exposed': ({ path, args }) => ({
    message: `${path}: port ${args.port} is published on ${args.hostIp}: whoever reaches this host reaches the login`,
    remedy: 'write "127.0.0.1:" before the port in the compose file, and put a proxy with TLS in front',
  }),
  'login-node-missing': ({ path, args, word }) => ({
    message: `${path}: ComfyUI runs without ComfyUI-Login: no such node is in custom_nodes, or it is disabled`,
    remedy: endIt({ args, word }, 'put ComfyUI-Login into custom_nodes, and start it again'),
  }),
  'login-node-broken': ({ path, args, word }) => ({
    message: `${path}: ComfyUI-Login is there and could not be loaded${importFault(args) === undefined ? '' : `: ${importFault(args)}`}`,
    remedy: endIt({ args, word }, 'see which package or file its import lacks'),
  }),
};
