import { describe, expect, it } from 'vitest';
import type { ProbeStatus } from '../../../src/probe/check.ts';
import type { Round } from '../../../src/probe/round.ts';
import { Pace } from '../../../src/probe/tally.ts';

const LONGEST_MS = 500;
const JITTER = 1.25;

const round = (status: ProbeStatus, more: Partial<Round> = {}): Round => ({
  status,
  checks: [],
  findings: [],
  settled: undefined,
  retryAfterMs: 0,
  ...more,
});

/** The pauses after so many rounds that are all alike. */
const pauses = (again: Round, longestMs = LONGEST_MS) => {
  const pace = new Pace(longestMs);
  return Array.from({ length: 20 }, () => pace.after(again));
};

describe('the pause between two tries', () => {
  it('stays short while nothing listens on a machine that says so at once', () => {
    expect(Math.max(...pauses(round('down', { absentAfterMs: 0.4 })))).toBeLessThanOrEqual(50 * JITTER);
    expect(Math.min(...pauses(round('down', { absentAfterMs: 0.4 })))).toBeGreaterThan(30);
  });

  it.each([
    ['a server that answers 5xx', round('not-ready')],
    ['a port far away', round('down', { absentAfterMs: 80 })],
  ])('grows before %s', (_, again) => {
    const all = pauses(again);
    expect(Math.min(...all.slice(-10))).toBeGreaterThanOrEqual(LONGEST_MS * 0.75);
    expect(Math.max(...all)).toBeLessThanOrEqual(LONGEST_MS * JITTER);
  });

  it('is never longer than its bound, but for what a server asks', () => {
    expect(Math.max(...pauses(round('down', { absentAfterMs: 0 }), 20))).toBeLessThanOrEqual(20 * JITTER);
    expect(Math.min(...pauses(round('not-ready', { retryAfterMs: 2000 })))).toBe(2000);
  });

  it('is short again when something changes', () => {
    const pace = new Pace(LONGEST_MS);
    for (let i = 0; i < 20; i++) pace.after(round('not-ready'));
    expect(pace.after(round('down', { absentAfterMs: 80 }))).toBeLessThanOrEqual(50 * JITTER);
  });
});
