import type { FindingArgs } from '../model/finding.ts';
import { endIt, lastWords } from './driver-words.ts';
import type { WordContext, WordTable } from './words.ts';

type LiveCode =
  | 'down'
  | 'not-ready'
  | 'guard-closed'
  | 'open'
  | 'open-by-empty-token'
  | 'open-by-suffix'
  | 'first-visit'
  | 'wrong-bearer-accepted'
  | 'bearer-refused'
  | 'password-refused'
  | 'header-malformed'
  | 'origin-required'
  | 'not-comfyui'
  | 'redirected';

const stopOf = (context: Pick<WordContext, 'args' | 'word'>) =>
  endIt(context, 'see why ComfyUI-Login did not load');

/** Why a server gave no usable answer (codes of probe/). */
const REASONS: Readonly<Record<string, string>> = {
  gone: 'the process that answered is gone',
  unpublished: 'the container does not publish that port',
  'nothing-behind': 'the port is published, and nothing in the container listens behind it',
  timeout: 'it accepts connections and says nothing',
  'too-late': 'its good answers came too late for all rounds',
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name is not known',
};

const reasonText = (args: FindingArgs) => {
  const status = args.httpStatus === undefined ? '' : `HTTP ${args.httpStatus}`;
  const reason = args.reason === undefined ? '' : (REASONS[String(args.reason)] ?? String(args.reason));
  const known = [reason, status].filter((one) => one !== '').join(', ');
  return known === '' ? '' : ` (${known})`;
};

/** Why the guard lets nobody in (its own codes). */
const CLOSED: Readonly<Record<string, string>> = {
  'password-missing': 'login/PASSWORD is missing',
  'password-empty': 'login/PASSWORD is empty',
  'token-empty': 'ComfyUI-Login holds no bearer',
  unknown: 'it says why only to who has its bearer',
};

const named = (fingerprint: unknown) => (fingerprint === undefined ? '' : ` ${fingerprint}`);

/** The words of findings about the running server; the path is its address. */
export const liveWords: WordTable<LiveCode> = {
  down: ({ path, args, word }) => ({
    message: `no ComfyUI answers at ${path}${reasonText(args)}`,
    remedy: lastWords({ args, word }),
  }),
  'not-ready': ({ path, args, service, root, word }) =>
    args.reason === 'installing'
      ? {
          message: `${path} does not answer yet: its container is still installing`,
          remedy: `comfyui-auth probe${root}${service} --timeout 20m   # waits until it answers`,
        }
      : {
          message: `${path} did not give a usable answer before the deadline${reasonText(args)}`,
          remedy: lastWords({ args, word }),
        },
  'guard-closed': ({ path, args, service, root }) => ({
    message: `${path}: the guard lets nobody in: ${CLOSED[String(args.reason)] ?? args.reason}`,
    remedy: `comfyui-auth deploy${root}${service}   # writes login/PASSWORD again, and proves the server`,
  }),
  open: ({ path, args, word }) =>
    args.comfyui === false
      ? {
          message: `${path} answers without a credential, and not as ComfyUI does: another program, or the wrong port`,
          remedy: 'correct "url" in comfyui-auth.yml, or --url',
        }
      : {
          message: `${path} answers without a credential: the server is OPEN to everyone who reaches it`,
          remedy: stopOf({ args, word }),
        },
  'open-by-empty-token': ({ path, args, word }) => ({
    message: `${path}?token= opens everything: login/PASSWORD was missing or empty when the server started`,
    remedy: stopOf({ args, word }),
  }),
  'open-by-suffix': ({ path }) => ({
    message: `${path} lets anyone read and write paths that end in .js, .css, .css.map, .ico (a flaw of ComfyUI-Login)`,
    remedy: 'publish the port on 127.0.0.1 only, behind a proxy that asks for a credential',
  }),
  'first-visit': ({ path, args, word }) => ({
    message: `${path}/login lets the first visitor choose the password: login/PASSWORD is missing`,
    remedy: stopOf({ args, word }),
  }),
  'wrong-bearer-accepted': ({ path, args, word }) => ({
    message: `${path} accepts a random bearer: it does not check`,
    remedy: stopOf({ args, word }),
  }),
  'bearer-refused': ({ path, args, service, root }) => ({
    message:
      args.reason === 'other-lineage'
        ? `${path} refuses the bearer${named(args.expected)}: ${args.where} holds ${args.found ?? 'another one'}`
        : `${path} refuses the bearer: the process is older than its PASSWORD file, or holds another credential`,
    remedy:
      args.manual === true
        ? `comfyui-auth sync${root}${service}   # then start ComfyUI anew; or say in comfyui-auth.yml how ("restart")`
        : `comfyui-auth deploy${root}${service}   # starts it anew: a restart alone does not read .env again`,
  }),
  'password-refused': ({ path, service, root }) => ({
    message: `the login form of ${path} refuses the password`,
    remedy: `comfyui-auth audit${root}${service}`,
  }),
  'header-malformed': ({ path, args, service, root }) => ({
    message:
      args.sent === false
        ? 'the bearer holds a blank or a line end: no request can carry it'
        : `${path} answers 500 to the bearer: a blank or a line end may stand in it`,
    remedy: `comfyui-auth audit${root}${service}`,
  }),
  'origin-required': ({ path }) => ({
    message: `${path} accepts the bearer only with its own Origin: ComfyUI runs with --enable-cors-header`,
    remedy: 'add origin: https://… to the service in comfyui-auth.yml',
  }),
  'not-comfyui': ({ path }) => ({
    message: `what answers at ${path} is not ComfyUI`,
    remedy: 'correct "url" in comfyui-auth.yml, or --url',
  }),
  redirected: ({ path, args }) => ({
    message: `${path} sends elsewhere${args.to === undefined ? '' : ` (${args.to})`}; nothing was sent there`,
    remedy: 'name the address behind the redirect: "url" in comfyui-auth.yml, or --url',
  }),
};
