import { basename, dirname, isAbsolute, relative, resolve } from 'node:path';
import { Exit, Failure } from '../model/failure.ts';
import {
  type CredentialLocation,
  type EnvFileLocation,
  type Layout,
  type Owner,
  parseReaderSpec,
  type ReaderSpec,
  type RestartDriver,
  type ServiceLayout,
} from '../model/layout.ts';
import { contradiction } from './agreement.ts';
import { DEFAULT_KEY_READERS, DEFAULT_KEYS, DEFAULT_READERS, DEFAULT_URL } from './defaults.ts';
import { type LayoutDocument, parseLayout, type WrittenLocation, type WrittenService } from './document.ts';

/** Turns what is written for one layout file into absolute, typed locations. */
class LayoutReader {
  readonly #root: string;
  readonly #file: string;
  readonly #document: LayoutDocument;

  constructor(file: string, document: LayoutDocument) {
    this.#root = dirname(file);
    this.#file = file;
    this.#document = document;
  }

  #fail(message: string, pointer: string, remedy: string): never {
    const position = this.#document.at(pointer);
    throw new Failure({
      code: 'layout-invalid',
      exit: Exit.usage,
      message: `${this.#file}:${position.line}:${position.column}: ${message}`,
      remedy,
      location: { path: this.#file, ...position },
    });
  }

  /** An absolute path; one that leaves the layout's folder must be allowed to. */
  #path(path: string, outside: boolean | undefined, pointer: string): string {
    const absolute = resolve(this.#root, path);
    const inward = relative(this.#root, absolute);
    const leaves =
      inward === '..' || inward.startsWith('../') || inward.startsWith('..\\') || isAbsolute(inward);
    if (leaves && outside !== true) {
      this.#fail(
        `${path} leaves the layout's folder ${this.#root}`,
        pointer,
        'add "outside: true" beside it if that is meant',
      );
    }
    return absolute;
  }

  #readers(written: string[] | undefined, usual: readonly ReaderSpec[]): ReaderSpec[] {
    if (written === undefined) return [...usual];
    return written.map(parseReaderSpec).filter((spec) => spec !== undefined);
  }

  #env(env: NonNullable<WrittenService['env']>, pointer: string): EnvFileLocation {
    return {
      kind: 'env-file',
      path: this.#path(env.file, env.outside, `${pointer}/file`),
      ...(env.template !== undefined && {
        template: this.#path(env.template, env.outside, `${pointer}/template`),
      }),
      readers: this.#readers(env.readers, DEFAULT_READERS),
      keys: env.keys ?? { ...DEFAULT_KEYS },
      required: env.required ?? [],
      defaults: {},
    };
  }

  #location(written: WrittenLocation, serviceOwner: Owner | undefined, pointer: string): CredentialLocation {
    const path = this.#path(written.path, written.outside, `${pointer}/path`);
    const owner = parseOwner(written.owner) ?? serviceOwner;
    const holds = written.holds ?? 'bearer';
    switch (written.kind) {
      case 'env-key': {
        const readers = this.#readers(written.readers, DEFAULT_KEY_READERS);
        return { kind: 'env-key', path, key: written.key ?? '', holds, readers };
      }
      case 'token-file':
        return { kind: 'token-file', path, holds };
      case 'conf-json':
        return { kind: 'conf-json', path };
      case 'password-file':
        return { kind: 'password-file', path, ...(owner !== undefined && { owner }) };
    }
  }

  #restart(written: WrittenService['restart'], service: string, pointer: string): RestartDriver {
    if (written === undefined || written.driver === 'none') return { driver: 'none' };
    if (written.driver === 'command') {
      if (written.command === undefined) {
        this.#fail(
          'restart: driver "command" needs "command"',
          pointer,
          'add command: [program, argument, …]',
        );
      }
      const { command, stop } = written;
      return { driver: 'command', command, ...(stop !== undefined && { stop }) };
    }
    if (written.file === undefined) {
      this.#fail('restart: driver "compose" needs "file"', pointer, 'add file: path/to/docker-compose.yml');
    }
    const file = this.#path(written.file, false, `${pointer}/file`);
    return { driver: 'compose', file, service: written.service ?? service };
  }

  /** The authority's path, and the location that it adds where it is not listed yet. */
  #authority(
    service: WrittenService,
    listed: readonly CredentialLocation[],
    env: EnvFileLocation | undefined,
    owner: Owner | undefined,
    pointer: string,
  ): { path?: string; added?: CredentialLocation } {
    if (service.authority === undefined) return {};
    const written: WrittenLocation =
      typeof service.authority === 'string'
        ? { path: service.authority, ...guessKind(service.authority) }
        : service.authority;
    const at = typeof service.authority === 'string' ? '' : pointer;
    const location = this.#location(written, owner, at);
    const known = location.path === env?.path || listed.some((one) => one.path === location.path);
    if (known) return { path: location.path };
    // A token file is the usual guess, and would be overwritten as a whole.
    if (typeof service.authority === 'string' && /^\.env|\.env$/.test(basename(location.path))) {
      const remedy = `list it in "locations" with "kind: env-key", or name it in "env"`;
      this.#fail(`${service.authority} is a .env: say which key holds the credential`, pointer, remedy);
    }
    return { path: location.path, added: location };
  }

  /** Refuses declarations that contradict each other: what the one writes would destroy what the other wrote. */
  requireAgreement(services: readonly ServiceLayout[]): void {
    const found = contradiction(services, this.#file);
    if (found === undefined) return;
    this.#fail(found.why, `/services/${found.service}`, 'declare each file, and each key, as one thing only');
  }

  service(name: string, written: WrittenService): ServiceLayout {
    const pointer = `/services/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const owner = parseOwner(written.owner);
    const env = written.env === undefined ? undefined : this.#env(written.env, `${pointer}/env`);
    const locations = (written.locations ?? []).map((one, i) =>
      this.#location(one, owner, `${pointer}/locations/${i}`),
    );
    const authority = this.#authority(written, locations, env, owner, `${pointer}/authority`);
    if (authority.added !== undefined) locations.unshift(authority.added);
    if (env === undefined && locations.length === 0) {
      this.#fail(`service "${name}" has no location`, pointer, 'give it "env", "authority" or "locations"');
    }
    return {
      name,
      url: written.url ?? DEFAULT_URL,
      ...(written.origin !== undefined && { origin: written.origin }),
      ...(owner !== undefined && { owner }),
      restart: this.#restart(written.restart, name, `${pointer}/restart`),
      ...(env !== undefined && { env }),
      ...(authority.path !== undefined && { authority: authority.path }),
      authorityDeclared: authority.path !== undefined,
      locations,
    };
  }
}

/** The kind of a file that is given by its path alone. */
function guessKind(path: string): Pick<WrittenLocation, 'kind' | 'holds'> {
  const name = basename(path);
  if (name === 'PASSWORD') return { kind: 'password-file' };
  if (/\.(conf|json)$/.test(name)) return { kind: 'conf-json' };
  return { kind: 'token-file', holds: 'bearer' };
}

/** Reads `uid:gid`. */
function parseOwner(text: string | undefined): Owner | undefined {
  const match = /^(\d+):(\d+)$/.exec(text ?? '');
  return match === null ? undefined : { uid: Number(match[1]), gid: Number(match[2]) };
}

/**
 * A layout from the text of a `comfyui-auth.yml`. `file` is its absolute path: relative paths start from its folder.
 * Throws a Failure (exit 2) with line and column.
 */
export function loadLayout(text: string, file: string): Layout {
  const document = parseLayout(text, file);
  const reader = new LayoutReader(file, document);
  const services = Object.entries(document.services).map(([name, written]) => reader.service(name, written));
  reader.requireAgreement(services);
  return { root: dirname(file), file, services };
}
