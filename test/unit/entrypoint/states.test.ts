import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Health } from '../../../entrypoint/health.ts';
import { mayFollow, type State } from '../../../entrypoint/states.ts';

/** From each state where it may go, besides STOPPING and EXIT, which may follow all others (container.md §3). */
const TABLE: Record<State, readonly State[]> = {
  INIT: ['RESOLVE'],
  RESOLVE: ['PREFLIGHT'],
  PREFLIGHT: ['CACHE'],
  CACHE: ['PROVISION', 'SPAWN'],
  PROVISION: ['SPAWN'],
  SPAWN: ['STARTING'],
  STARTING: ['VERIFY', 'READY', 'RESTARTING'],
  VERIFY: ['STARTING', 'READY', 'RESTARTING'],
  READY: ['DEGRADED', 'RELOADING', 'DRAINING', 'RESTARTING'],
  DEGRADED: ['READY', 'RELOADING', 'DRAINING', 'RESTARTING'],
  RELOADING: ['READY', 'DEGRADED', 'DRAINING', 'RESTARTING'],
  DRAINING: [],
  STOPPING: ['RESTARTING'],
  RESTARTING: ['RESOLVE'],
  EXIT: [],
};
const ALWAYS: readonly State[] = ['STOPPING', 'EXIT'];
const STATES = Object.keys(TABLE) as State[];

const allowed = (from: State, to: State) =>
  from === to || TABLE[from].includes(to) || (from !== 'EXIT' && ALWAYS.includes(to));

/** All that can be reached from a state without going through some others. */
function reachable(from: State, without: readonly State[] = []): State[] {
  const found: State[] = [from];
  for (const state of found) {
    found.push(
      ...STATES.filter((to) => mayFollow(state, to) && !found.includes(to) && !without.includes(to)),
    );
  }
  return found;
}

describe('the states', () => {
  test.each(STATES)('%s: goes where the table says, and nowhere else', (from) => {
    expect(STATES.filter((to) => mayFollow(from, to))).toEqual(STATES.filter((to) => allowed(from, to)));
  });

  test('each can be reached, and the end from each', () => {
    expect(reachable('INIT').sort()).toEqual([...STATES].sort());
    for (const state of STATES) expect(reachable(state)).toContain('EXIT');
  });

  test('nothing follows the end', () => {
    expect(reachable('EXIT')).toEqual(['EXIT']);
  });

  test('a server that was started is ready only by its proof, or where an open one is meant', () => {
    expect(reachable('INIT', ['VERIFY', 'STARTING'])).not.toContain('READY');
    expect(STATES.filter((from) => mayFollow(from, 'READY'))).toEqual([
      ...['STARTING', 'VERIFY', 'READY', 'DEGRADED', 'RELOADING'],
    ]);
  });

  test('another life goes through everything again', () => {
    for (const skipped of ['RESOLVE', 'PREFLIGHT', 'CACHE', 'SPAWN', 'STARTING'] as const) {
      expect(reachable('RESTARTING', [skipped])).not.toContain('READY');
    }
  });

  test('who is asked to stop does not start again by way of draining', () => {
    expect(reachable('DRAINING', ['STOPPING'])).toEqual(['DRAINING', 'EXIT']);
  });
});

describe('health.json', () => {
  let folder: string;
  let health: Health;
  const stored = () => JSON.parse(readFileSync(join(folder, 'health.json'), 'utf8'));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'health-'));
    health = new Health(
      folder,
      () => new Date(),
      () => undefined,
    );
  });
  afterEach(() => {
    health.close();
    rmSync(folder, { recursive: true });
  });

  test('refuses a step that the table does not have, and stays where it was', () => {
    health.enter('RESOLVE');
    for (const state of STATES.filter((to) => !allowed('RESOLVE', to))) {
      expect(() => health.enter(state)).toThrow(`${state} does not follow RESOLVE`);
    }
    expect(health.state).toBe('RESOLVE');
    expect(stored()).toMatchObject({ state: 'RESOLVE', ready: false });
  });

  test('is ready in READY alone', () => {
    for (const state of ['RESOLVE', 'PREFLIGHT', 'CACHE', 'PROVISION', 'SPAWN', 'STARTING'] as const) {
      health.enter(state);
      expect(stored()).toMatchObject({ state, ready: false, live: true });
    }
    for (const state of ['VERIFY', 'READY', 'RELOADING', 'DEGRADED', 'DRAINING', 'STOPPING'] as const) {
      health.enter(state);
      expect(stored()).toMatchObject({ state, ready: state === 'READY', live: true });
    }
    health.close('done');
    expect(stored()).toMatchObject({ state: 'EXIT', ready: false, live: false, reason: 'done' });
  });
});
