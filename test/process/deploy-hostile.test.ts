import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cheapHash, cleanEnv, freshSecret, type Ran } from './deployment.ts';
import { type Handler, reply, Servers, STATS } from './scripted-servers.ts';

const servers = new Servers();
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'comfyui-auth-hostile-'));
});
afterEach(async () => {
  await servers.close();
  rmSync(root, { recursive: true, force: true });
});

const old = cheapHash(freshSecret());
const password = freshSecret();
const next = cheapHash(password);
const passwordFile = () => join(root, 'login', 'PASSWORD');
const held = () => readFileSync(passwordFile(), 'utf8');

/** What a server was sent: which of the bearers, at which request, and which one PASSWORD held then. */
interface Shown {
  at: string;
  bearer: 'old' | 'next';
  holds: 'old' | 'next';
}

function bearerIn(request: IncomingMessage): Shown['bearer'] | undefined {
  const sent = JSON.stringify([request.url, request.rawHeaders]);
  if (sent.includes(next)) return 'next';
  return sent.includes(old) ? 'old' : undefined;
}

/** Deploys another credential to a server that nobody restarts. */
async function deploy(handler: Handler, ...args: string[]) {
  const shown: Shown[] = [];
  const url = await servers.http((request, response) => {
    const bearer = bearerIn(request);
    const at = `${request.method} ${request.url}`;
    if (bearer !== undefined) shown.push({ at, bearer, holds: held().startsWith(next) ? 'next' : 'old' });
    return handler(request, response);
  });
  mkdirSync(join(root, 'login'));
  writeFileSync(passwordFile(), `${old}\nadmin`, { mode: 0o600 });
  writeFileSync(
    join(root, 'comfyui-auth.yml'),
    `version: 1\nservices:\n  comfy:\n    url: ${url}\n    restart: { driver: none }\n    locations:\n      - { path: login/PASSWORD, kind: password-file }\n`,
  );
  const argv = [CLI, 'deploy', '--root', root, '--json', '--timeout', '5s', ...args];
  const env = { COMFYUI_USERNAME: 'admin', COMFYUI_PASSWORD: password, COMFYUI_BEARER_TOKEN: next };
  const child = spawn(process.execPath, argv, { env: cleanEnv(env), stdio: ['ignore', 'pipe', 'ignore'] });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const [code] = await once(child, 'close');
  const json: Ran['json'] = JSON.parse(stdout);
  return { code, json, shown };
}

/** `/healthz` as the guard and many another program has it, and so all else. */
const healthy =
  (rest: Handler): Handler =>
  (request, response) =>
    request.url === '/healthz' ? reply(response, 200, '{"status":"ok"}') : rest(request, response);

const OPEN = healthy((_, response) => reply(response, 200, STATS));
const FOREIGN = healthy((_, response) => reply(response, 404));
const CLOSED = healthy((request, response) => reply(response, request.url === '/reload_token' ? 404 : 401));

describe('a server that was not seen to keep anybody out is shown no bearer', () => {
  it.each([
    ['open', OPEN, [], 6],
    ['open, by name', OPEN, ['--restart', 'reload'], 4],
    ['open, looked at only', OPEN, ['--dry-run'], 0],
    ['foreign', FOREIGN, [], 5],
    ['foreign, by name', FOREIGN, ['--restart', 'reload'], 2],
    ['foreign, looked at only', FOREIGN, ['--dry-run'], 0],
  ] as const)('%s', async (_, handler, args, code) => {
    const ran = await deploy(handler, ...args);
    expect(ran.shown).toEqual([]);
    expect([ran.code, held()]).toEqual([code, `${old}\nadmin`]);
  });
});

/** Keeps everybody out until PASSWORD is written. */
const untilWritten = (then: Handler): Handler => {
  return (request, response) => (held().startsWith(next) ? then : CLOSED)(request, response);
};

describe('a server that is another one when it is to be reloaded is not shown the new bearer', () => {
  it.each([
    ['open', OPEN, 6, 'failed', 'open'],
    ['foreign', FOREIGN, 5, 'rolled-back', 'restart-failed'],
  ] as const)('%s', async (_, then, code, status, finding) => {
    const { json, ...ran } = await deploy(untilWritten(then));
    expect(ran.shown.filter((one) => one.holds === 'next' || one.bearer === 'next')).toEqual([]);
    expect([ran.code, json.status, held()]).toEqual([code, status, `${old}\nadmin`]);
    expect(json.findings.map((one: { code: string }) => one.code)).toContain(finding);
  });
});

describe('a server that keeps everybody out, and is no guard', () => {
  it('sees the new bearer only where PASSWORD holds it, and is as it was', async () => {
    const ran = await deploy(CLOSED);
    expect(ran.shown.filter((one) => one.bearer === 'next' && one.holds === 'old')).toEqual([]);
    expect(ran.shown[0]).toEqual({ at: 'GET /healthz', bearer: 'old', holds: 'old' });
    expect([ran.code, ran.json.status, held()]).toEqual([5, 'rolled-back', `${old}\nadmin`]);
  });

  it('sees no new bearer where nothing is written', async () => {
    const ran = await deploy(CLOSED, '--dry-run');
    expect(ran.shown.map((one) => one.bearer)).toEqual(['old']);
    expect(ran.code).toBe(0);
  });
});
