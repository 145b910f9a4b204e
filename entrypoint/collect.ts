import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Gives back what a life of ComfyUI, or a change of its credential, has left in memory. Node would wait until it has
 * filled a heap of gigabytes, which in a container are ComfyUI's; nobody waits then for the few milliseconds that this
 * takes.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}
