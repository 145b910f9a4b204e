import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, cleanEnv, Deployment, found, type Ran } from './deployment.ts';

const STATS = JSON.stringify({ system: { comfyui_version: '0.3.64' }, devices: [] });

let tree: Deployment;
let servers: Server[];
beforeEach(() => {
  tree = new Deployment();
  servers = [];
});
afterEach(() => {
  tree.remove();
  for (const server of servers) server.close();
});

/** A server that gives everybody the same answer; its address. */
async function serve(status: number): Promise<string> {
  const server = createServer((_, response) => response.writeHead(status).end(STATS));
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Two services: one whose bearer is known, one that has none. */
function lay(known: string, unknown: string, more = ''): void {
  tree.write(
    'comfyui-auth.yml',
    `version: 1
services:
  known: { url: "${known}", authority: a, locations: [{ path: a, kind: token-file, holds: bearer }] }
  unknown: { url: "${unknown}", ${more} authority: b, locations: [{ path: b, kind: token-file, holds: bearer }] }
`,
  );
  tree.write('a', tree.bearer);
}

/** Probes in a process of its own while this one serves. */
async function probe(): Promise<Pick<Ran, 'code' | 'json'>> {
  const args = [CLI, 'probe', '--json', '--root', tree.root, '--timeout', '2s'];
  const child = spawn(process.execPath, args, { env: cleanEnv() });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, json: JSON.parse(stdout) };
}

describe('probe of several services', () => {
  it('keeps what an open server answered where another has no credential', async () => {
    lay(await serve(200), await serve(401));
    const ran = await probe();
    expect(ran.code).toBe(4);
    expect(ran.json).toMatchObject({
      status: 'open',
      services: [
        { name: 'known', status: 'open' },
        { name: 'unknown', status: 'unknown' },
      ],
    });
    expect(ran.json.findings.map((one: { code: string }) => one.code)).toEqual([
      'open',
      'credential-unknown',
    ]);
  });

  it('finds a server open without its credential, too', async () => {
    lay('http://127.0.0.1:1', await serve(200));
    const ran = await probe();
    expect(ran.json.services[1]).toMatchObject({ name: 'unknown', status: 'open' });
    expect(ran.code).toBe(4);
  });

  it('refuses an origin that no header may hold before it asks any server', async () => {
    let asked = 0;
    const address = await serve(200);
    servers[0]?.on('request', () => {
      asked += 1;
    });
    lay(address, await serve(401), 'origin: "https://é.example",');
    const ran = await probe();
    expect(ran.json.status).toBe('error');
    expect(ran.code).toBe(2);
    expect(asked).toBe(0);
  });
});

it('says that no credential is known, with exit 2, where that is all', async () => {
  tree.write(
    'comfyui-auth.yml',
    `version: 1\nservices:\n  a: { url: "${await serve(401)}", locations: [{ path: t, kind: token-file, holds: bearer }] }\n`,
  );
  const ran = await probe();
  expect(ran.json).toMatchObject({ status: 'unknown', exitCode: 2 });
  const [finding] = found({ ...ran, stdout: '', stderr: '' }, 'credential-unknown');
  expect(finding?.message).toMatch(/no bearer to ask http:/);
  expect(finding?.remedy).toMatch(/^comfyui-auth audit /);
  expect(ran.code).toBe(2);
});
