import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BEARER, PASSWORD } from './scripted-servers.ts';

export interface GateDeployment {
  /** The bearer of the `.env`; the one of the scripted servers where absent. */
  bearer?: string;
  origin?: string;
}

/** Lays down a deployment of one service whose `.env` holds the credential of the scripted servers; its folder. */
export function gateDeployment({ bearer = BEARER, origin }: GateDeployment = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'comfyui-auth-gate-'));
  const allowed = origin === undefined ? '' : `origin: ${origin}, `;
  writeFileSync(
    join(root, 'comfyui-auth.yml'),
    `version: 1\nservices:\n  comfy: { url: "http://127.0.0.1:1", ${allowed}env: { file: .env } }\n`,
  );
  const env = `COMFYUI_USERNAME=admin\nCOMFYUI_PASSWORD=${PASSWORD}\nCOMFYUI_BEARER_TOKEN='${bearer}'\n`;
  writeFileSync(join(root, '.env'), env, { mode: 0o600 });
  return root;
}
