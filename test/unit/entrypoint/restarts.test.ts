import { describe, expect, test } from 'vitest';
import { type RestartPolicy, Restarts } from '../../../entrypoint/restarts.ts';

const POLICY: RestartPolicy = { most: 5, windowMs: 600_000, firstMs: 1000, longestMs: 30_000 };
const MIDDLE = 0.5;

/** Takes restarts at these times, without jitter. */
const takeAt = (restarts: Restarts, ...times: number[]) => times.map((time) => restarts.take(time, MIDDLE));

describe('the pauses before a restart', () => {
  test('double from the first to the longest', () => {
    const restarts = new Restarts({ ...POLICY, most: 8 });
    expect(takeAt(restarts, 0, 1, 2, 3, 4, 5, 6, 7)).toEqual([
      ...[1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
    ]);
  });

  test('are longer or shorter by a fifth at most', () => {
    const pauses = [0, 0.999_999].map((random) => new Restarts(POLICY).take(0, random));
    expect(pauses).toEqual([800, 1200]);
    const many = Array.from({ length: 1000 }, () => new Restarts(POLICY).take(0) ?? 0);
    expect(Math.min(...many)).toBeGreaterThanOrEqual(800);
    expect(Math.max(...many)).toBeLessThanOrEqual(1200);
    expect(new Set(many).size).toBeGreaterThan(100);
  });

  test('stay numbers however many there were', () => {
    const restarts = new Restarts({ most: 2000, windowMs: 600_000, firstMs: 1, longestMs: 3_600_000 });
    const pauses = Array.from({ length: 2000 }, () => restarts.take(0, MIDDLE));
    expect(pauses.at(-1)).toBe(3_600_000);
    expect(pauses.every((pause) => Number.isFinite(pause))).toBe(true);
  });

  test('may be none at all', () => {
    expect(takeAt(new Restarts({ ...POLICY, firstMs: 0, longestMs: 0 }), 0, 1)).toEqual([0, 0]);
  });
});

describe('the budget', () => {
  test('is spent after so many within the window', () => {
    expect(takeAt(new Restarts({ ...POLICY, most: 2 }), 0, 1, 2, 3)).toEqual([
      1000,
      2000,
      undefined,
      undefined,
    ]);
  });

  test('of none allows none', () => {
    expect(new Restarts({ ...POLICY, most: 0 }).take(0)).toBeUndefined();
  });

  test('comes back as restarts fall out of the window, and the pauses begin anew', () => {
    const restarts = new Restarts({ ...POLICY, most: 2 });
    expect(takeAt(restarts, 0, 1000)).toEqual([1000, 2000]);
    expect(takeAt(restarts, 599_999)).toEqual([undefined]);
    // The first of the two is now out of it.
    expect(takeAt(restarts, 600_000)).toEqual([2000]);
    expect(takeAt(restarts, 1_300_000)).toEqual([1000]);
  });

  test('is not spent by asking in vain', () => {
    const restarts = new Restarts({ ...POLICY, most: 1 });
    takeAt(restarts, 0, 1, 2, 599_999);
    expect(takeAt(restarts, 600_000)).toEqual([1000]);
  });
});
