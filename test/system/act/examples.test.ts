import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { withoutEngine } from '../docker/engine.ts';
import { type Ran, withoutRunner } from './runner.ts';
import { Stage } from './stage.ts';

// The workflows that users copy, as they stand, on a deployment as they would have it.
const skipped = withoutEngine() || withoutRunner();

let stage: Stage;
beforeAll(async () => {
  if (!skipped) stage = await Stage.set();
});
afterEach(() => stage?.sweep());
afterAll(() => stage?.clear());

/** Runs one of the examples, with the secrets of the environment that it names; none of these may be said. */
async function example(name: string, root: string, secrets: Record<string, string>, env = {}): Promise<Ran> {
  const variables = { COMFYUI_ROOT: root };
  const workflow = `docs/examples/${name}.yml`;
  const ran = await stage.runner.run({ workflow, event: 'workflow_dispatch', variables, secrets, env });
  for (const secret of Object.values(secrets)) expect(ran.output).not.toContain(secret);
  return ran;
}

describe.skipIf(skipped)('gate.yml', () => {
  test('is green where the server is proven, red where it refuses', async () => {
    const root = await stage.lay('comfyui');
    const password = freshSecret();
    await stage.sync(root, 'comfyui', password);

    const good = await example('gate', root, { COMFYUI_PASSWORD: password });
    expect(good.output).toContain('::set-output:: proved=true');
    expect(good.code).toBe(0);

    const bad = await example('gate', root, { COMFYUI_PASSWORD: freshSecret() });
    expect(bad.output).toContain('::set-output:: proved=false');
    expect(bad.code).toBe(1);
  });

  test('stops a server that is open', async () => {
    const root = await stage.lay('comfyui');
    const password = freshSecret();
    await stage.sync(root, 'comfyui', password);
    stage.openUp(root, 'comfyui');

    const { code, output } = await example('gate', root, { COMFYUI_PASSWORD: password });
    expect(output).toContain('::set-output:: exit-code=4');
    expect(output).toMatch(/Success - Main stop a server that is open/);
    expect(code).toBe(1);
    expect(await stage.running(root)).toEqual([]);
  });
});

describe.skipIf(skipped)('nightly-audit.yml', () => {
  test('has one issue open while copies disagree, and none when they agree', async () => {
    const root = await stage.lay('comfyui');
    const password = freshSecret();
    await stage.sync(root, 'comfyui', password);
    const issues = join(root, 'issues');
    mkdirSync(issues);
    const audit = async () => {
      const { code } = await example(
        'nightly-audit',
        root,
        { GITHUB_TOKEN: freshSecret() },
        { GH_ISSUES: issues },
      );
      return { code, issues: readdirSync(issues).filter((name) => name !== 'label') };
    };

    expect(await audit()).toEqual({ code: 0, issues: [] });

    const passwordFile = join(root, 'comfyui', 'login', 'PASSWORD');
    const good = readFileSync(passwordFile);
    writeFileSync(passwordFile, `${cheapHash(freshSecret())}\nadmin`);
    expect(await audit()).toEqual({ code: 0, issues: ['1.open'] });
    const said = readFileSync(join(issues, '1.open'), 'utf8');
    expect(said).toContain('**error** bearer-drift in `');
    for (const secret of stage.secretsOf(root, 'comfyui')) expect(said).not.toContain(secret);
    expect(await audit()).toEqual({ code: 0, issues: ['1.open'] });

    writeFileSync(passwordFile, good);
    expect(await audit()).toEqual({ code: 0, issues: ['1.closed'] });
  });

  test('is red, and has an issue open, where the audit cannot be done', async () => {
    const root = await stage.lay('comfyui');
    writeFileSync(join(root, 'comfyui-auth.yml'), 'version: 1\nservices: []\n');
    const issues = join(root, 'issues');
    mkdirSync(issues);
    const ran = await example('nightly-audit', root, { GITHUB_TOKEN: freshSecret() }, { GH_ISSUES: issues });
    expect(ran.code).toBe(1);
    expect(readFileSync(join(issues, '1.open'), 'utf8')).toContain('The audit could not be done');
  });
});

describe.skipIf(skipped)('deploy.yml', () => {
  test('deploys, and does nothing the second time', async () => {
    const root = await stage.lay('comfyui');
    const secrets = {
      COMFYUI_PASSWORD: freshSecret(),
      COMFYUI_AUTH_SECRET_KEY: freshSecret(freshSecret()),
      HF_TOKEN: freshSecret('hf_'),
      CIVITAI_TOKEN: freshSecret(),
    };
    const first = await example('deploy', root, secrets);
    expect(first.output).toContain('::set-output:: status=deployed');
    expect(first.code).toBe(0);
    expect(stage.deployed(root, 'comfyui', 'HF_TOKEN')).toBe(secrets.HF_TOKEN);
    const before = await stage.running(root);

    const second = await example('deploy', root, secrets);
    expect(second.output).toContain('::set-output:: status=unchanged');
    expect(second.code).toBe(0);
    expect(await stage.running(root)).toEqual(before);
    for (const secret of stage.secretsOf(root, 'comfyui'))
      expect(first.output + second.output).not.toContain(secret);
  });
});

describe.skipIf(skipped)('several-services.yml', () => {
  test('deploys one service, though another is open: that one is stopped, and its job red', async () => {
    const root = await stage.lay('comfyui-qwen', 'comfyui-video');
    stage.openUp(root, 'comfyui-qwen');
    const secrets = {
      COMFYUI_PASSWORD: freshSecret(),
      COMFYUI_AUTH_SECRET_KEY: freshSecret(freshSecret()),
    };
    const { code, output } = await example('several-services', root, secrets);
    expect(output.match(/::set-output:: exit-code=./g)).toEqual([
      '::set-output:: exit-code=4',
      '::set-output:: exit-code=0',
    ]);
    expect(code).toBe(1);
    const [video, ...others] = await stage.running(root);
    expect(video).toContain('-comfyui-video-');
    expect(others).toEqual([]);
  });
});
