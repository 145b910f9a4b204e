import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployment } from './entrypoint-harness.ts';

/** `open`: lets everybody in; `broken`: 503 to all; `mute`: no answer at all; `good`: as ComfyUI-Login does. */
type Mood = 'good' | 'open' | 'broken' | 'mute';

/** A server that answers what the proof asks, and changes its behaviour while it runs. */
export class MoodyServer {
  readonly program: string;
  readonly #flag: string;

  constructor(deployment: Deployment) {
    this.program = join(deployment.folder, 'server.cjs');
    this.#flag = join(deployment.folder, 'mood');
    this.turn('good');
    writeFileSync(this.program, source(this.#flag, deployment.password, deployment.port));
  }

  turn(mood: Mood): void {
    writeFileSync(this.#flag, mood);
  }
}

const source = (flag: string, passwordFile: string, port: number) => `
const { readFileSync } = require('node:fs');
const token = readFileSync(${JSON.stringify(passwordFile)}, 'utf8').split('\\n')[0];
const stats = JSON.stringify({ system: { comfyui_version: '0' }, devices: [] });
require('node:http').createServer((request, response) => {
  const mood = readFileSync(${JSON.stringify(flag)}, 'utf8');
  const known = request.headers.authorization === 'Bearer ' + token;
  const answer = (status, headers, body) => response.writeHead(status, headers).end(body);
  if (mood === 'mute') return;
  if (mood === 'broken') answer(503, {}, '');
  else if (request.method === 'POST') answer(302, { location: '/login?wrong_password=1' }, '');
  else if (request.url === '/login') answer(200, {}, '<input type="password" name="password">');
  else if (known || mood === 'open') answer(200, { 'content-type': 'application/json' }, stats);
  else answer(401, {}, '{}');
}).listen(${port}, '127.0.0.1');
`;
