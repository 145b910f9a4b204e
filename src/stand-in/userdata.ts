import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import { type Exchange, json, nothing, type Reply } from './exchange.ts';

/** A path in the user's folder, or undefined where it would leave it. */
function inside(folder: string, name: string): string | undefined {
  const path = resolve(folder, name);
  return path === folder || path.startsWith(folder + sep) ? path : undefined;
}

function write(path: string, bytes: Buffer) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

/**
 * ComfyUI's `/userdata/{file}`: it takes any name, one that ends in `.js` too, and so lets in whom the login
 * does not even look at (container.md F10).
 */
export async function userdata(
  folder: string,
  method: string,
  name: string,
  more: string[],
  exchange: Exchange,
): Promise<Reply> {
  const path = inside(folder, name);
  if (path === undefined) return nothing(403);
  if (method === 'POST' && more.length === 0) {
    write(path, await exchange.body());
    return json(relative(folder, path));
  }
  if (!existsSync(path)) return nothing(404);
  if (method === 'POST' && more[0] === 'move' && more[1] !== undefined) {
    const target = inside(folder, more[1]);
    if (target === undefined) return nothing(403);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(path, target);
    return json(relative(folder, target));
  }
  if (method === 'DELETE') {
    rmSync(path);
    return nothing(204);
  }
  if (method !== 'GET') return nothing(405);
  return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: readFileSync(path) };
}
