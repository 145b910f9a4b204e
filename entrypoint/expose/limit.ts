import { readFileSync } from 'node:fs';

/** Descriptors that the entrypoint needs for itself: the proof, health.json, the child's output, a stop. */
const RESERVE = 200;

/** A connection costs memory even where it is idle; a flood of them must not fill the container's. */
const MOST = 4096;

/**
 * How many connections a relay may hold at once, each with two descriptors, and leave the entrypoint its own.
 * Takes the text of `/proc/self/limits`; where it says nothing, the smallest limit that is usual counts.
 */
export function connectionLimit(limits: string = ownLimits()): number {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? '1024';
  const files = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
  return Math.max(1, Math.min(MOST, Math.floor((files - RESERVE) / 2)));
}

function ownLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
