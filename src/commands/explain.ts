import { resolve } from 'node:path';
import { decodeEnv } from '../env-file/decode.ts';
import { EnvDocument } from '../env-file/document.ts';
import { type ReadFault, type ReadValue, readersFor } from '../env-file/readers/index.ts';
import { wantedPart } from '../locations/adapter.ts';
import { withinQuotes } from '../locations/env-values.ts';
import { isBcryptHash } from '../model/bcrypt.ts';
import type { Part } from '../model/credential.ts';
import { Exit, type ExitCode, Failure } from '../model/failure.ts';
import { formatReaderSpec, type ReaderSpec } from '../model/layout.ts';
import { readRegular } from '../store/read-file.ts';
import { FileSnapshot, observe } from './gather.ts';
import { resolveCredential } from './resolve.ts';
import { findLayout } from './target.ts';
import type { Target, World } from './world.ts';

export interface ExplainRequest extends Target {
  file: string;
  /** None: every reader that is known. */
  readers: readonly ReaderSpec[];
  reveal: boolean;
}

/** What one reader gets for one key (contract.md, JSON, `explain`). */
export interface Explained {
  asMeant: boolean;
  /** Only for bearers. */
  length?: number;
  /** Only with `--reveal`. */
  value?: string;
}

export interface ExplainResult {
  command: 'explain';
  status: 'clean' | 'findings';
  exitCode: ExitCode;
  root: string;
  services: [];
  findings: [];
  file: string;
  readers: Record<string, Record<string, Explained>>;
  /** Readers that give up on the whole file. */
  rejected: Record<string, { line: number; reason: ReadFault }>;
}

/** What a key of this file should hold, where the deployment around it says so. */
type Expected = Map<string, { part: Part; value: string | undefined }>;

function readEnv(file: string): string {
  const found = readRegular(file);
  const fail = (why: string, exit: ExitCode): never => {
    throw new Failure({
      code: 'file-unreadable',
      exit,
      message: `${file} ${why}`,
      remedy: 'name the .env to explain: comfyui-auth explain FILE',
      location: { path: file },
    });
  };
  if (found.kind === 'missing') return fail('is not there', Exit.usage);
  if (found.kind === 'not-a-file') return fail(`is ${found.what}`, Exit.usage);
  if (found.kind === 'unreadable') return fail(`cannot be read (${found.code})`, Exit.unknown);
  const decoded = decodeEnv(found.bytes);
  return decoded.ok ? decoded.text : fail(`is not UTF-8 (line ${decoded.line})`, Exit.usage);
}

/** The credential's part for each key of the file; nothing where no deployment surrounds it. */
async function expectedIn(file: string, request: ExplainRequest, world: World): Promise<Expected> {
  const expected: Expected = new Map();
  let layout: ReturnType<typeof findLayout>;
  try {
    layout = findLayout(request, world);
  } catch (error) {
    // A single file can be explained anywhere; a broken layout is still said.
    if (error instanceof Failure && error.code === 'no-deployment') return expected;
    throw error;
  }
  for (const service of layout.services) {
    const observations = observe(service, new FileSnapshot());
    const resolution = await resolveCredential({
      service,
      observations,
      outer: undefined,
      key: undefined,
      world,
    });
    for (const [key, part] of service.env?.path === file ? Object.entries(service.env.keys) : []) {
      expected.set(key, { part, value: wantedPart(resolution, part) });
    }
    for (const location of service.locations) {
      if (location.kind !== 'env-key' || location.path !== file) continue;
      expected.set(location.key, { part: location.holds, value: wantedPart(resolution, location.holds) });
    }
  }
  return expected;
}

/** A reader without quotes takes a line inside a quoted value, a piece of a secret, for a key: its line says enough. */
function shownKey(key: string, { line }: ReadValue, document: EnvDocument): string {
  const { unclosed = line } = document;
  const named = /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(key) && document.statements(key).length > 0;
  return named && line <= unclosed ? key : `(line ${line})`;
}

/** Says for each key of a `.env` what each reader would receive. Values are left out unless they are asked for. */
export async function explain(request: ExplainRequest, world: World): Promise<ExplainResult> {
  const file = resolve(world.cwd, request.file);
  const text = readEnv(file);
  const document = EnvDocument.parse(text);
  const expected = await expectedIn(file, request, world);
  const readers: ExplainResult['readers'] = {};
  const rejected: ExplainResult['rejected'] = {};
  for (const spec of request.readers) {
    const name = formatReaderSpec(spec);
    const outcomes = readersFor(spec).map((reader) => reader.read(text));
    const [newest] = outcomes;
    if (newest === undefined) continue;
    if (!newest.ok) {
      rejected[name] = { line: newest.line, reason: newest.reason };
      continue;
    }
    // No prototype: a key may be called anything.
    const keys: Record<string, Explained> = Object.create(null);
    for (const [key, got] of newest.values) {
      const written = document.statements(key).at(-1);
      const known = expected.get(key);
      const meant = known?.value ?? (written === undefined ? undefined : withinQuotes(written.raw));
      // All versions that the reader's name covers have to agree.
      const asMeant = outcomes.every((outcome) => {
        const value = outcome.ok ? outcome.values.get(key) : undefined;
        return value !== undefined && value.unstable === undefined && value.value === meant;
      });
      const bearer = known?.part === 'bearer' || isBcryptHash(meant ?? '');
      keys[request.reveal ? key : shownKey(key, got, document)] = {
        asMeant,
        ...(bearer && { length: got.value.length }),
        ...(request.reveal && { value: got.value }),
      };
    }
    readers[name] = keys;
  }
  const good =
    Object.keys(rejected).length === 0 &&
    Object.values(readers).every((keys) => Object.values(keys).every((one) => one.asMeant));
  return {
    command: 'explain',
    status: good ? 'clean' : 'findings',
    exitCode: Exit.ok,
    root: world.cwd,
    services: [],
    findings: [],
    file,
    readers,
    rejected,
  };
}
