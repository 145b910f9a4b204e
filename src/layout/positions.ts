import { type Document, isMap, isNode, isScalar, type LineCounter, type ParsedNode } from 'yaml';

export interface Position {
  /** Both count from 1. */
  line: number;
  column: number;
}

/** The key of a pair of a mapping: where a field begins. */
function keyNode(document: Document<ParsedNode>, path: readonly string[]): unknown {
  const parent = document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  return parent.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === path.at(-1))?.key;
}

/** The position of the node that a JSON pointer (`#/services/x/env`) names, or of the nearest one above it. */
export function positionOf(document: Document<ParsedNode>, lines: LineCounter, pointer: string): Position {
  const path = pointer
    .replace(/^#?\/?/, '')
    .split('/')
    .filter((step) => step !== '')
    .map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'));
  for (let depth = path.length; depth >= 0; depth--) {
    const upTo = path.slice(0, depth);
    const node = depth === 0 ? document.contents : (keyNode(document, upTo) ?? document.getIn(upTo, true));
    if (isNode(node) && node.range) {
      const { line, col } = lines.linePos(node.range[0]);
      return { line, column: col };
    }
  }
  return { line: 1, column: 1 };
}
