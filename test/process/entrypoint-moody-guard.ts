import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployment } from './entrypoint-harness.ts';

/** What the guard does when it is asked to read PASSWORD again. */
export type GuardMood =
  /** As the real one. */
  | 'good'
  /** It says beforehand that it cannot. */
  | 'fixed'
  /** It says so only when it is asked. */
  | 'unsupported'
  | 'refuses'
  /** It takes PASSWORD's, and gives no answer; ComfyUI has a prompt in its queue. */
  | 'mute'
  | 'absent'
  /** ComfyUI answers as if it had none. */
  | 'without'
  /** It never says whether it is there. */
  | 'dumb'
  /** It says that it took PASSWORD's, and took nothing. */
  | 'forgetful'
  /** It took another one. */
  | 'other'
  /** The old bearer still holds, and it does not say so. */
  | 'lenient'
  /** The same, and it says so. */
  | 'grace'
  /** It takes PASSWORD's, and ComfyUI answers nobody then. */
  | 'busy'
  /** The same for who has the old bearer. */
  | 'busy-for-old'
  /** From then on everybody is let in. */
  | 'opens';

/** A server with the guard in it, which does not always do as it should. */
export class MoodyGuard {
  readonly program: string;
  readonly #flag: string;
  readonly #log: string;
  readonly #ignored: string;

  constructor(deployment: Deployment, mood: GuardMood) {
    this.program = join(deployment.folder, 'guarded.cjs');
    this.#flag = join(deployment.folder, 'guard-mood');
    this.#log = join(deployment.folder, 'asked');
    this.#ignored = join(deployment.folder, 'ignored');
    this.turn(mood);
    writeFileSync(this.#log, '');
    const { password, port } = deployment;
    writeFileSync(
      this.program,
      source({ flag: this.#flag, log: this.#log, ignored: this.#ignored, password, port }),
    );
  }

  turn(mood: GuardMood): void {
    writeFileSync(this.#flag, mood);
  }

  /** Says it where it was asked to read PASSWORD again. */
  get log(): string {
    return this.#log;
  }

  /** How often it was asked whether it is there, and gave no answer. */
  get asked(): number {
    return existsSync(this.#ignored) ? readFileSync(this.#ignored, 'utf8').length : 0;
  }
}

interface Places {
  flag: string;
  log: string;
  ignored: string;
  password: string;
  port: number;
}

const source = (places: Places) => `
const { readFileSync, appendFileSync } = require('node:fs');
const { createHash } = require('node:crypto');
const { flag, log, ignored, password, port } = ${JSON.stringify(places)};
const held = () => readFileSync(password, 'utf8').split('\\n')[0];
const nameOf = (bearer) => createHash('sha256').update(bearer).digest('hex').slice(0, 8);
const stats = { system: { comfyui_version: '0' }, devices: [] };
let [live, old, isOpen, gone] = [held(), '', false, ''];
function reload(mood) {
  const before = live;
  gone = before;
  if (mood !== 'forgetful') live = held();
  if (mood === 'lenient' || mood === 'grace') old = before;
  isOpen = mood === 'opens';
  const credential = nameOf(mood === 'other' ? before : held());
  return { reloaded: true, credential, sessions: 'kept', graceSeconds: mood === 'grace' ? 10 : 0 };
}
require('node:http').createServer((request, response) => {
  const mood = readFileSync(flag, 'utf8');
  const bearer = (request.headers.authorization ?? '').replace('Bearer ', '');
  const knows = bearer !== '' && [live, old].includes(bearer);
  const answer = (status, body, headers = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  if (request.url === '/healthz' && mood !== 'without') {
    if (mood === 'dumb') return appendFileSync(ignored, '.');
    const guard = { version: '0.1.0', reload: mood !== 'fixed' };
    answer(200, { status: 'ok', ...(knows && { guard, credential: nameOf(live) }) });
  } else if (request.url === '/reload_token') {
    appendFileSync(log, mood + '\\n');
    if (mood === 'mute') return void (live = held());
    if (mood === 'absent') answer(405, {});
    else if (mood === 'unsupported') answer(501, { code: 'reload-unsupported', error: '' });
    else if (mood === 'refuses') answer(409, { code: 'password-invalid', error: '' });
    else if (!knows && bearer !== held()) answer(401, {});
    else answer(200, reload(mood));
  } else if (gone !== '' && (mood === 'busy' || (mood === 'busy-for-old' && bearer === gone))) return;
  else if (request.method === 'POST') answer(302, {}, { location: '/login?wrong_password=1' });
  else if (request.url === '/login') response.writeHead(200).end('<input type="password" name="password">');
  else if (!knows && !isOpen) answer(401, {});
  else if (request.url === '/prompt') answer(200, { exec_info: { queue_remaining: mood === 'mute' ? 1 : 0 } });
  else answer(200, stats);
}).listen(port, '127.0.0.1');
`;
