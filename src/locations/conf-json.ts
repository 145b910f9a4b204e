import { isUtf8 } from 'node:buffer';
import { applyEdits, findNodeAtLocation, type JSONPath, modify, type Node, parseTree } from 'jsonc-parser';
import { isBcryptHash } from '../model/bcrypt.ts';
import type { Part } from '../model/credential.ts';
import { finding, type Place } from '../model/finding.ts';
import type { ConfLocation } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import { type Adapter, asItIs, type HeldPart, type WantedParts, wantedPart } from './adapter.ts';

/** The fields of both shapes that hold a part (domain.md §4). `password` is there in shape A only, and not always. */
const FIELDS: readonly { field: string; part: Part; always: boolean }[] = [
  { field: 'raw_token', part: 'password', always: true },
  { field: 'bcrypt_hash', part: 'bearer', always: true },
  { field: 'password', part: 'password', always: false },
];

interface Conf {
  text: string;
  bom: string;
  root: Node;
}

type ParseFault = { offset: number; error: number; length: number };

/** The tree of a JSON text. One that nests deeper than the stack has no tree, and is no conf either. */
function treeOf(text: string, errors: ParseFault[]): Node | undefined {
  try {
    return parseTree(text, errors, { disallowComments: true, allowTrailingComma: false });
  } catch {
    return undefined;
  }
}

/** The parsed text, or where it stops to be a JSON object. The parser's own error would quote the secrets. */
function parseConf(bytes: Buffer): Conf | { line: number } {
  // What is not UTF-8 could not be written back as it was.
  if (!isUtf8(bytes)) return { line: 1 };
  const all = bytes.toString('utf8');
  const bom = all.startsWith('\uFEFF') ? '\uFEFF' : '';
  const text = all.slice(bom.length);
  const errors: ParseFault[] = [];
  const root = treeOf(text, errors);
  const offset = errors[0]?.offset ?? 0;
  if (errors.length > 0 || root === undefined || root.type !== 'object') {
    return { line: text.slice(0, offset).split('\n').length };
  }
  return { text, bom, root };
}

/** The last value of that name: the one that JSON.parse, and so every reader, takes. */
function nodeAt(root: Node, field: string): Node | undefined {
  return root.children?.findLast((child) => child.children?.[0]?.value === field)?.children?.[1];
}

function stringAt(root: Node, field: string): { value: string; offset: number } | undefined {
  const node = nodeAt(root, field);
  return typeof node?.value === 'string' ? { value: node.value, offset: node.offset } : undefined;
}

/** The text with a string in the place of what stands at the path. A field that stands twice is set where it counts. */
function withValue(text: string, path: JSONPath, value: string): string {
  const root = path.length === 1 ? treeOf(text, []) : undefined;
  const node = root === undefined ? undefined : nodeAt(root, String(path[0]));
  return node === undefined
    ? applyEdits(text, modify(text, path, value, { formattingOptions: formatting(text) }))
    : text.slice(0, node.offset) + JSON.stringify(value) + text.slice(node.offset + node.length);
}

interface Copy {
  path: JSONPath;
  part: Part;
  node: Node;
}

/** Copies that shape A keeps in `locations[].content`: a whole hash, or the plaintext itself. */
function contentParts(conf: Conf, rawToken: string | undefined): Copy[] {
  const list = findNodeAtLocation(conf.root, ['locations']);
  return (list?.children ?? []).flatMap((_, index): Copy[] => {
    const path: JSONPath = ['locations', index, 'content'];
    const node = findNodeAtLocation(conf.root, path);
    if (typeof node?.value !== 'string') return [];
    if (node.value.startsWith('$2') || isBcryptHash(node.value)) {
      return [{ path, part: 'bearer', node }];
    }
    return node.value !== '' && node.value === rawToken ? [{ path, part: 'password', node }] : [];
  });
}

/** Every edit that brings the wanted parts in, as JSON paths and values. */
function edits(conf: Conf, wanted: WantedParts): { path: JSONPath; value: string }[] {
  const rawToken = stringAt(conf.root, 'raw_token')?.value;
  const fields = FIELDS.flatMap(({ field, part, always }) => {
    const now = stringAt(conf.root, field)?.value;
    const value = wantedPart(wanted, part);
    const due = value !== undefined && value !== now && (always || now !== undefined);
    return due ? [{ path: [field] as JSONPath, value }] : [];
  });
  const copies = contentParts(conf, rawToken).flatMap(({ path, part, node }) => {
    const value = wantedPart(wanted, part);
    return value !== undefined && value !== node.value ? [{ path, value }] : [];
  });
  return [...fields, ...copies];
}

/** Two spaces, or what the file's first indented line uses. */
function formatting(text: string) {
  const indent = /\n([ \t]+)"/.exec(text)?.[1] ?? '  ';
  return {
    insertSpaces: !indent.startsWith('\t'),
    tabSize: indent.startsWith('\t') ? 1 : indent.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
}

/** The predecessor's `comfyui_auth_tokens.conf`, shapes A and B. Unknown fields, order and formatting stay. */
export const confJson: Adapter<ConfLocation> = {
  kind: 'conf-json',

  slots: () => [
    { holds: 'password', key: 'raw_token' },
    { holds: 'bearer', key: 'bcrypt_hash' },
  ],

  read(bytes, location) {
    const conf = parseConf(bytes);
    const base: Place = { path: location.path, kind: 'conf-json' };
    if ('line' in conf) {
      return {
        parts: [],
        findings: [finding('conf-malformed', { location: { ...base, line: conf.line } })],
      };
    }
    const lineOf = (offset: number) => conf.text.slice(0, offset).split('\n').length;
    const parts: HeldPart[] = FIELDS.flatMap(({ field, part }) => {
      const found = stringAt(conf.root, field);
      if (found === undefined || found.value === '') return [];
      const place = { ...base, key: field, line: lineOf(found.offset) };
      return [{ part, value: new Secret(found.value), place }];
    });
    const findings = FIELDS.filter(({ field, always }) => always && !stringAt(conf.root, field)?.value).map(
      ({ field, part }) =>
        // Where only the bearer is known, there is no password to put there.
        finding('key-missing', {
          severity: part === 'password' ? 'warning' : 'error',
          location: { ...base, key: field },
          args: { key: field },
        }),
    );
    for (const { path, part, node } of contentParts(conf, stringAt(conf.root, 'raw_token')?.value)) {
      const place = { ...base, key: `locations[${path[1]}].content`, line: lineOf(node.offset) };
      parts.push({ part, value: new Secret(String(node.value)), place });
    }
    return { parts, findings };
  },

  write(bytes, location, wanted) {
    const conf = parseConf(bytes ?? Buffer.from('{}\n'));
    if ('line' in conf) {
      const place: Place = { path: location.path, kind: 'conf-json', line: conf.line };
      return { ok: false, findings: [finding('conf-malformed', { location: place })] };
    }
    const due = edits(conf, wanted);
    if (due.length === 0) return asItIs(bytes);
    let text = conf.text;
    for (const { path, value } of due) text = withValue(text, path, value);
    const changed = due.map(({ path }) => path.join('.'));
    return { ok: true, bytes: Buffer.from(conf.bom + text, 'utf8'), changed };
  },
};
