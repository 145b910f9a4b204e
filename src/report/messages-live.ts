import type { WordTable } from './words.ts';

type LiveCode =
  | 'down'
  | 'not-ready'
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

const LOGS = 'docker compose logs --tail 50   # mask the token before you show them to anyone';
const STOP = 'docker compose stop   # at once; then see why ComfyUI-Login did not load';

/** The words of findings about the running server; the path is its address. */
export const liveWords: WordTable<LiveCode> = {
  down: ({ path, args }) => ({
    message: `nothing listens at ${path}${args.reason === undefined ? '' : ` (${args.reason})`}`,
    remedy: LOGS,
  }),
  'not-ready': ({ path, args }) => ({
    message: `${path} did not give a usable answer before the deadline${args.reason === undefined ? '' : ` (${args.reason})`}`,
    remedy: LOGS,
  }),
  open: ({ path }) => ({
    message: `${path} answers without a credential: the server is OPEN to everyone who reaches it`,
    remedy: STOP,
  }),
  'open-by-empty-token': ({ path }) => ({
    message: `${path}?token= opens everything: login/PASSWORD was missing or empty when the server started`,
    remedy: STOP,
  }),
  'open-by-suffix': ({ path }) => ({
    message: `${path} lets anyone read and write paths that end in .js, .css, .css.map, .ico (a flaw of ComfyUI-Login)`,
    remedy: 'publish the port on 127.0.0.1 only, behind a proxy that asks for a credential',
  }),
  'first-visit': ({ path }) => ({
    message: `${path}/login lets the first visitor choose the password: login/PASSWORD is missing`,
    remedy: STOP,
  }),
  'wrong-bearer-accepted': ({ path }) => ({
    message: `${path} accepts a random bearer: it does not check`,
    remedy: STOP,
  }),
  'bearer-refused': ({ path }) => ({
    message: `${path} refuses the bearer: the process is older than its PASSWORD file, or holds another credential`,
    remedy: 'docker compose up -d --force-recreate   # a restart alone does not read .env again',
  }),
  'password-refused': ({ path }) => ({
    message: `the login form of ${path} refuses the password`,
    remedy: 'comfyui-auth audit',
  }),
  'header-malformed': ({ path }) => ({
    message: `${path} answers 500 to the bearer: a blank or a line end stands in the token`,
    remedy: 'comfyui-auth audit',
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
