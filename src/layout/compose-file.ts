import { join } from 'node:path';
import { parse } from 'yaml';
import type { ReaderSpec, RestartDriver } from '../model/layout.ts';
import { DEFAULT_READERS, DEFAULT_URL } from './defaults.ts';
import type { FileView } from './file-view.ts';

export const COMPOSE_NAMES = [
  'docker-compose.yml',
  'docker-compose.yaml',
  'compose.yaml',
  'compose.yml',
] as const;

interface ComposeService {
  container_name?: unknown;
  env_file?: unknown;
}

/** The compose file of a folder, where there is one. */
export function composeFileIn(folder: string, files: FileView): string | undefined {
  return COMPOSE_NAMES.map((name) => join(folder, name)).find((path) => files.exists(path));
}

/** The services of a compose file; none where it cannot be read as one. */
function composeServices(text: string | undefined): Record<string, ComposeService> {
  try {
    const content = parse(text ?? '', { maxAliasCount: 100, logLevel: 'silent' }) as { services?: unknown };
    return content !== null && typeof content?.services === 'object' && content.services !== null
      ? (content.services as Record<string, ComposeService>)
      : {};
  } catch {
    return {};
  }
}

/** `format: raw` of an `env_file` is docker's own reader (readers.md §2.2). */
function readsRaw(service: ComposeService | undefined): boolean {
  const entries = Array.isArray(service?.env_file) ? service.env_file : [service?.env_file];
  return entries.some((entry) => typeof entry === 'object' && entry !== null && entry.format === 'raw');
}

/** What a compose file says of the service that runs ComfyUI: its name, its driver, the readers of its `.env`. */
export function composeFacts(
  composeFile: string | undefined,
  wanted: string | undefined,
  files: FileView,
): { name?: string; restart: RestartDriver; readers: ReaderSpec[] } {
  if (composeFile === undefined) return { restart: { driver: 'none' }, readers: [...DEFAULT_READERS] };
  const services = composeServices(files.text(composeFile));
  const names = Object.keys(services);
  const name =
    names.find((one) => one === wanted) ??
    names.find((one) => /comfy/i.test(one) || /comfy/i.test(String(services[one]?.container_name ?? ''))) ??
    names[0];
  const raw = name !== undefined && readsRaw(services[name]);
  return {
    ...(name !== undefined && { name }),
    restart:
      name === undefined ? { driver: 'none' } : { driver: 'compose', file: composeFile, service: name },
    readers: raw ? [...DEFAULT_READERS, { name: 'docker-run' }] : [...DEFAULT_READERS],
  };
}

/** The address that a `.env` names, by its URL or its port, where it does. */
export function urlFrom(envText: string | undefined): string {
  // Scheme, host and port alone: a user, a password or a token in the rest would end up in messages.
  const url = /^\s*COMFYUI_URL\s*=\s*["']?(https?:\/\/[^\s"'#/?@]+)(?!.*@)/m.exec(envText ?? '')?.[1];
  const port = /^\s*COMFYUI_PORT\s*=\s*["']?(\d{1,5})\b/m.exec(envText ?? '')?.[1];
  return url ?? (port === undefined ? DEFAULT_URL : `http://127.0.0.1:${port}`);
}
