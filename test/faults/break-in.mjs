// Breaks a program at one call, and makes sure that it was this one.
import { readRecord, run } from './strace.mjs';

const MAX_TRIES = 12;

export const killAt = (call) => `${call.name}:signal=SIGKILL:when=${call.ordinal}`;

/** The paths of a call: its other arguments read differently where it fails. */
const gist = (text) => (text.match(/TREE[^">]*/g) ?? []).join(' ');

const same = (a, b) => a.nth === b.nth && a.name === b.name && gist(a.text) === gist(b.text);

/**
 * Runs a command from the place's seed with one call broken. strace counts the calls of a thread from its start, and
 * Node's start reads files of /proc whose length varies: where another call was hit, the count is corrected by what
 * that run recorded, and the run repeated. Gives undefined where the call could not be hit.
 */
export async function breakIn(place, command, call, inject) {
  let { ordinal } = call;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    place.reset();
    const expression = inject({ ...call, ordinal });
    const result = await run(command(place.tree), { record: place.record, inject: expression });
    const calls = readRecord(place.record, place.tree);
    const broken = expression.includes('SIGKILL') ? calls.at(-1) : calls.find(({ injected }) => injected);
    if (broken !== undefined && same(broken, call)) return { ...result, expression };
    const meant = calls.find((candidate) => same(candidate, call));
    ordinal = meant?.ordinal ?? ordinal + 1;
  }
  return undefined;
}
