import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { found } from './deployment.ts';
import { LiveStage } from './live-stage.ts';

let stage: LiveStage;
beforeEach(() => {
  stage = new LiveStage();
});
afterEach(() => stage.remove());

describe('doctor of a service that is well', () => {
  it('says so step by step, in causal order', async () => {
    await stage.serve();
    stage.contain();
    const ran = await stage.doctor();
    expect(ran.json).toMatchObject({ command: 'doctor', status: 'healthy', exitCode: 0 });
    expect([ran.cause, ran.code]).toEqual([null, 0]);
    const [{ steps }] = ran.json.services;
    expect(steps.map((one: { id: string; verdict: string }) => [one.id, one.verdict])).toEqual([
      ['engine', 'pass'],
      ['container', 'pass'],
      ['mounts', 'pass'],
      ['port', 'pass'],
      ['http', 'pass'],
      // None runs: a word of advice, and no fault.
      ['guard', 'skip'],
      ['login-node', 'pass'],
      ['protected', 'pass'],
      ['empty-token', 'pass'],
      // Without a guard in the server nothing closes this hole: a warning, and no cause.
      ['suffix', 'fail'],
      ['bearer', 'pass'],
      ['form', 'pass'],
      ['guest', 'pass'],
      ['origin', 'pass'],
      ['environment', 'pass'],
      ['process', 'pass'],
    ]);
    expect(found(ran, 'open-by-suffix')[0]?.severity).toBe('warning');
  });
});
