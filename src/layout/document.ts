import { Validator } from '@cfworker/json-schema';
import { LineCounter, parseDocument } from 'yaml';
import schema from '../../schema/comfyui-auth.schema.json' with { type: 'json' };
import type { Part } from '../model/credential.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { LocationKind } from '../model/finding.ts';
import { type Position, positionOf } from './positions.ts';

/** A location as it is written in a layout. */
export interface WrittenLocation {
  path: string;
  kind: Exclude<LocationKind, 'env-file' | 'server' | 'file'>;
  key?: string;
  holds?: Part;
  readers?: string[];
  owner?: string;
  outside?: boolean;
}

/** A service as it is written in a layout (schema/comfyui-auth.schema.json). */
export interface WrittenService {
  url?: string;
  origin?: string;
  owner?: string;
  restart?: { driver: 'compose' | 'command' | 'none'; file?: string; service?: string; command?: string[] };
  env?: {
    file: string;
    template?: string;
    readers?: string[];
    keys?: Record<string, Part>;
    required?: string[];
    outside?: boolean;
  };
  authority?: string | WrittenLocation;
  locations?: WrittenLocation[];
}

/** A layout that fits the schema, and where in its text each thing stands. */
export interface LayoutDocument {
  services: Record<string, WrittenService>;
  /** The position of what a JSON pointer such as `/services/a/env` names. */
  at(pointer: string): Position;
}

/** Keywords that only repeat, for a folder of the tree, that something inside it is wrong. */
const ENCLOSING = new Set([
  'properties',
  'additionalProperties',
  'items',
  'allOf',
  'oneOf',
  'if',
  'then',
  '$ref',
  'propertyNames',
]);

/**
 * Reads the text of a `comfyui-auth.yml` and checks it against the schema.
 * Throws a Failure (exit 2) that names file, line and column of the first fault.
 */
export function parseLayout(text: string, path: string): LayoutDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fail = (message: string, position: Position): never => {
    throw new Failure({
      code: 'layout-invalid',
      exit: Exit.usage,
      message: `${path}:${position.line}:${position.column}: ${message}`,
      remedy: `correct that line; schema/comfyui-auth.schema.json describes every field`,
      location: { path, ...position },
    });
  };
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    return fail(error.message.split('\n')[0] ?? 'not YAML', { line, column: col });
  }
  const content: unknown = document.toJS({ maxAliasCount: 0 });
  const { valid, errors } = new Validator(schema as object, '2020-12', false).validate(content);
  const at = (pointer: string) => positionOf(document, lines, pointer);
  if (!valid) {
    const fault = errors.find((one) => !ENCLOSING.has(one.keyword)) ?? errors[0];
    const place = fault?.instanceLocation.replace(/^#\/?/, '') || 'the document';
    const why =
      fault?.keyword === 'false' ? 'is no field of a layout' : (fault?.error ?? 'does not fit the schema');
    return fail(`${place}: ${why}`, at(fault?.instanceLocation ?? ''));
  }
  return { services: (content as { services: Record<string, WrittenService> }).services, at };
}
