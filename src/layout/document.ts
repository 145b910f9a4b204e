import { Validator } from '@cfworker/json-schema';
import {
  type Document,
  isNode,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type YAMLParseError,
} from 'yaml';
import schema from '../../schema/comfyui-auth.schema.json' with { type: 'json' };
import type { Part } from '../model/credential.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { LocationKind } from '../model/finding.ts';
import { type Position, positionOf } from './positions.ts';

/** A location as it is written in a layout. */
export interface WrittenLocation {
  path: string;
  kind: Exclude<LocationKind, 'env-file' | 'server' | 'container' | 'file'>;
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
  restart?: {
    driver: 'compose' | 'command' | 'none';
    file?: string;
    service?: string;
    command?: string[];
    stop?: string[];
  };
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

/** The parser's words for a fault, without the text that it quotes: a secret may stand in the wrong place. */
function yamlFault({ code, message }: YAMLParseError): string {
  if (code === 'RESOURCE_EXHAUSTION') return 'it nests too deep';
  if (code === 'TAG_RESOLVE_FAILED') return 'a tag that nobody knows';
  return message.replace(/(?::|(?<=escape sequence)) .*$/s, '').replace(/\n.*$/s, '');
}

/** YAML that no layout needs, and that does not come through as it stands: aliases, and keys that are no text. */
function oddNode(document: Document.Parsed): { why: string; offset: number } | undefined {
  let odd: { why: string; offset: number } | undefined;
  const found = (why: string, node: unknown) => {
    odd = { why, offset: (isNode(node) ? node.range?.[0] : undefined) ?? 0 };
    return visit.BREAK;
  };
  visit(document, {
    Alias: (_, node) => found('an alias: write out what it stands for', node),
    Pair: (_, { key }) => (isScalar(key) ? undefined : found('a key that is no text', key)),
  });
  return odd;
}

/** A JSON pointer as people read it. */
function plain(pointer = ''): string {
  return decodeURIComponent(pointer).replaceAll('~1', '/').replaceAll('~0', '~');
}

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
    return fail(yamlFault(error), { line, column: col });
  }
  const odd = oddNode(document);
  if (odd !== undefined) {
    const { line, col } = lines.linePos(odd.offset);
    return fail(odd.why, { line, column: col });
  }
  const content: unknown = document.toJS({ maxAliasCount: 0 });
  const { valid, errors } = new Validator(schema as object, '2020-12', false).validate(content);
  const at = (pointer: string) => positionOf(document, lines, pointer);
  if (!valid) {
    const fault = errors.find((one) => !ENCLOSING.has(one.keyword)) ?? errors[0];
    const place = plain(fault?.instanceLocation.replace(/^#\/?/, '')) || 'the document';
    const why =
      fault?.keyword === 'false' ? 'is no field of a layout' : (fault?.error ?? 'does not fit the schema');
    return fail(`${place}: ${why}`, at(fault?.instanceLocation ?? ''));
  }
  return { services: (content as { services: Record<string, WrittenService> }).services, at };
}
