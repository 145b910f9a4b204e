import { shellWord } from './place.ts';
import type { WordContext } from './words.ts';

type Context = Pick<WordContext, 'args' | 'word'>;

const composeCall = ({ args, word }: Context) => `docker compose -f ${word(String(args.compose))}`;

/** What ends a server at once, by the driver of its service, and what is to be done then. */
export function endIt(context: Context, then: string): string {
  const { compose, unit, stop } = context.args;
  if (compose !== undefined) {
    return `${composeCall(context)} kill ${shellWord(String(unit))}   # at once; then ${then}`;
  }
  return stop !== undefined
    ? `${stop}   # at once; then ${then}`
    : `end ComfyUI's process at once; then ${then}`;
}

/** What shows the last words of a server, by the driver of its service. */
export function lastWords(context: Context): string {
  const { compose, unit } = context.args;
  return compose === undefined
    ? "read the end of ComfyUI's log; mask the token before you show it to anyone"
    : `${composeCall(context)} logs --tail 50 ${shellWord(String(unit))}   # mask the token before you show them to anyone`;
}
