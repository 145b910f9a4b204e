import type { Owner } from '../../src/model/layout.ts';
import { partsOf } from '../custom-nodes/parts.ts';
import { type Placed, placeNode } from '../custom-nodes/place.ts';
import { isLoginNode } from './survey.ts';

/** The name under which the login node is restored: that of its repository. */
export const NODE_NAME = 'ComfyUI-Login';

/** No part of the node: other programs' by-products, and the key of one server's sessions. */
const LEFT_OUT = /^(?:\.git|__pycache__|\.secret-key\.txt|.*\.pyc)$/;

/** Puts a copy of the login node into a folder of custom nodes (`placeNode`). The copy may be root's alone: it is read as ourselves. */
export function restoreLoginNode(copy: string, folder: string, owner: Owner): Placed | undefined {
  const parts = partsOf(copy, LEFT_OUT);
  return placeNode({ name: NODE_NAME, parts, isThere: isLoginNode }, folder, owner);
}
