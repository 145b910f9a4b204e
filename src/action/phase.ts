import * as core from '@actions/core';

/**
 * How far the step got, as its two programs, which are one file, tell each other through the runner: nothing before
 * the main one; `begun` when it was cut off; `ended` when it has left nothing, and has said all there is.
 */
export type Phase = '' | 'begun' | 'ended';

const NAME = 'phase';

export function phase(): Phase {
  const text = core.getState(NAME);
  return text === 'begun' || text === 'ended' ? text : '';
}

/** Tells the program that comes after this one. A runner without the file for that has none to come. */
export function remember(now: Exclude<Phase, ''>): void {
  if (!process.env.GITHUB_STATE) return;
  try {
    core.saveState(NAME, now);
  } catch {
    // The step itself needs it not.
  }
}
