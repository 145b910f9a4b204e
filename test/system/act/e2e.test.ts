import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { withoutEngine } from '../docker/engine.ts';
import { withoutRunner } from './runner.ts';
import { Stage } from './stage.ts';

const skipped = withoutEngine() || withoutRunner();

let stage: Stage;
beforeAll(async () => {
  if (!skipped) stage = await Stage.set();
});
afterEach(() => stage?.sweep());
afterAll(() => stage?.clear());

const filesOf = (root: string) =>
  ['.env', 'login/PASSWORD'].map((name) => readFileSync(join(root, 'comfyui', name), 'utf8'));

/** A job that deploys with one secret. */
const job = (input: string, more = '') => `
name: one secret
on: push
permissions: {}
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v7
      - uses: ./
        with:
          command: deploy
          root: \${{ vars.COMFYUI_ROOT }}
          ${input}: \${{ secrets.SECRET }}
          ${more}
      - run: echo 'the next step ran'
`;

/** Lays down a deployment that runs, and the workflow of a job on it. */
async function running(text: string) {
  const root = await stage.lay('comfyui');
  await stage.sync(root, 'comfyui', freshSecret());
  await stage.up(root);
  const workflow = join(stage.runner.folder, `${freshSecret()}.yml`);
  writeFileSync(workflow, text);
  return {
    root,
    before: filesOf(root),
    order: { workflow, event: 'push', variables: { COMFYUI_ROOT: root } },
  };
}

describe.skipIf(skipped)('the repository’s own e2e workflow', () => {
  test('is green, every step of it, and says no secret', async () => {
    const root = stage.folder();
    const { code, output } = await stage.runner.run({
      workflow: '.github/workflows/e2e.yml',
      event: 'push',
      variables: { E2E_BASE_IMAGE: stage.base, E2E_ROOT: root },
    });
    expect(output).toContain('::set-output:: status=rolled-back');
    expect(output).toContain('🏁  Job succeeded');
    expect(code).toBe(0);
    const done = [...output.matchAll(/Success - Main (.*?)(?: \[.*)?$/gm)].map(([, step]) => step);
    const steps = ['it is deployed, and proven', 'the second time there is nothing to do'];
    steps.push('it failed, and all was put back', 'the server runs with the old credential', 'stop it');
    expect(done).toEqual(expect.arrayContaining(steps));
    for (const secret of stage.secretsOf(root, 'comfyui')) expect(output).not.toContain(secret);
    expect(await stage.running(root)).toEqual([]);
  });
});

describe.skipIf(skipped)('a job with a wrong secret', () => {
  test('is red, with status rolled-back, and leaves everything as it was', async () => {
    // The bearer of another password: the entrypoint refuses the pair.
    const { root, before, order } = await running(job('bearer-token'));
    const secrets = { SECRET: cheapHash(freshSecret()) };
    const { code, output } = await stage.runner.run({ ...order, secrets });
    expect(output).toContain('::set-output:: status=rolled-back');
    expect(output).toContain('::set-output:: exit-code=5');
    expect(output).toContain('🏁  Job failed');
    expect(output).not.toContain('the next step ran');
    expect(code).toBe(1);
    for (const one of [secrets.SECRET, ...stage.secretsOf(root, 'comfyui')])
      expect(output).not.toContain(one);

    expect(filesOf(root)).toEqual(before);
    await stage.proven(root, 'comfyui');
  });
});

describe.skipIf(skipped)('a job that is cancelled while the new credential is being proven', () => {
  test('has everything put back before it ends', async () => {
    const { root, before, order } = await running(job('password', 'rounds: 50'));
    const secrets = { SECRET: freshSecret() };
    const { code, output } = await stage.runner.run({ ...order, secrets, cancelAt: /round 3 of 50 good/ });
    expect(output).toMatch(/Run Post \.\//);
    expect(output).not.toContain('the next step ran');
    expect(code).toBe(1);
    expect(output).not.toContain(secrets.SECRET);

    expect(filesOf(root)).toEqual(before);
    await stage.proven(root, 'comfyui');
  });
});
