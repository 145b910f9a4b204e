import { type Document, isNode, type LineCounter, type ParsedNode } from 'yaml';

export interface Position {
  /** Both count from 1. */
  line: number;
  column: number;
}

/** The position of the node that a JSON pointer (`#/services/x/env`) names, or of the nearest one above it. */
export function positionOf(document: Document<ParsedNode>, lines: LineCounter, pointer: string): Position {
  const path = pointer
    .replace(/^#?\/?/, '')
    .split('/')
    .filter((step) => step !== '')
    .map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'));
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) {
      const { line, col } = lines.linePos(node.range[0]);
      return { line, column: col };
    }
  }
  return { line: 1, column: 1 };
}
