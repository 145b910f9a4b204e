import { describe, expect, test } from 'vitest';
import { Signals, StopAsked } from '../../../entrypoint/signals.ts';

/** Whether a promise has resolved by now. */
const isDone = (promise: Promise<void>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);

describe('a stop', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('is asked for by %s, with the reason', (signal) => {
    const signals = new Signals();
    signals.receive(signal);
    expect(signals.stop.reason).toBeInstanceOf(StopAsked);
    expect(signals.stop.reason.message).toBe(`stopped by ${signal}`);
    expect(signals.force.aborted).toBe(false);
  });

  test('is forced by the second one, whichever it is; the first reason stays', () => {
    const signals = new Signals();
    signals.receive('SIGTERM');
    signals.receive('SIGINT');
    expect(signals.force.aborted).toBe(true);
    expect(signals.stop.reason.message).toBe('stopped by SIGTERM');
  });

  test('is not asked for by what is ignored, nor by a reload', () => {
    const signals = new Signals();
    for (const signal of ['SIGUSR1', 'SIGPWR', 'SIGTSTP', 'SIGHUP'] as const) signals.receive(signal);
    expect([signals.stop.aborted, signals.force.aborted]).toEqual([false, false]);
  });
});

describe('a reload', () => {
  test('wakes who waits for it, and is taken once', async () => {
    const signals = new Signals();
    const waiting = signals.reload();
    expect(await isDone(waiting)).toBe(false);
    signals.receive('SIGHUP');
    expect(await isDone(waiting)).toBe(true);
    expect([signals.takeReload(), signals.takeReload()]).toEqual([true, false]);
  });

  test('that came before anybody waited is not lost', async () => {
    const signals = new Signals();
    signals.receive('SIGHUP');
    expect(await isDone(signals.reload())).toBe(true);
    expect(signals.takeReload()).toBe(true);
    expect(await isDone(signals.reload())).toBe(false);
  });

  test('that comes several times before it is taken is one', () => {
    const signals = new Signals();
    for (let times = 0; times < 3; times++) signals.receive('SIGHUP');
    expect([signals.takeReload(), signals.takeReload()]).toEqual([true, false]);
  });

  test('that comes while the last one is being worked on is another', async () => {
    const signals = new Signals();
    signals.receive('SIGHUP');
    signals.takeReload();
    signals.receive('SIGHUP');
    expect(await isDone(signals.reload())).toBe(true);
    expect(signals.takeReload()).toBe(true);
  });

  test('tells only who waited last: who waits in vain is not kept in memory', async () => {
    const signals = new Signals();
    const [before, last] = [signals.reload(), signals.reload()];
    signals.receive('SIGHUP');
    expect([await isDone(before), await isDone(last)]).toEqual([false, true]);
  });
});
