import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Servers, sound } from './scripted-servers.ts';
import { ask } from './scripted-servers-ask.ts';
import { certificate } from './scripted-servers-certificate.ts';

const servers = new Servers();
const folder = mkdtempSync(join(tmpdir(), 'comfyui-auth-tls-'));
const own = join(folder, 'own.pem');
const other = join(folder, 'other.pem');
const requests: string[] = [];
let url: string;

beforeAll(async () => {
  const { pem, key } = certificate();
  writeFileSync(own, pem);
  writeFileSync(other, certificate().pem);
  url = await servers.tls(
    (request, response) => {
      requests.push(request.url ?? '');
      return sound(request, response);
    },
    { cert: pem, key },
  );
});
afterAll(async () => {
  await servers.close();
  rmSync(folder, { recursive: true });
});

it.each<[string, () => Record<string, string>]>([
  ['nobody has signed', () => ({})],
  ['another authority did not sign', () => ({ NODE_EXTRA_CA_CERTS: other })],
  ['nobody has signed, though Node is told to take it', () => ({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })],
])('asks no server whose certificate %s', async (_, env) => {
  const said = await ask(url, { env: env(), timeout: '500ms' });
  expect([said.status, said.code, said.codes]).toEqual(['down', 3, ['down']]);
  expect(said.json.findings[0].args.reason).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  expect(requests).toEqual([]);
});

it('proves one whose authority NODE_EXTRA_CA_CERTS names', async () => {
  const said = await ask(url, { env: { NODE_EXTRA_CA_CERTS: own } });
  expect([said.status, said.code]).toEqual(['proved', 0]);
});

it('does not take it for another name', async () => {
  const env = { NODE_EXTRA_CA_CERTS: own };
  const said = await ask(url.replace('127.0.0.1', 'localhost'), { env, timeout: '500ms' });
  expect([said.status, said.json.findings[0].args.reason]).toEqual(['down', 'ERR_TLS_CERT_ALTNAME_INVALID']);
});
