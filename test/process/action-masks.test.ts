import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { derivedForms } from '../../src/platform/redact.ts';
import { ACTION, cheapHash, Deployment, freshSecret, PATHS, runBundle } from './deployment.ts';

let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
});
afterEach(() => tree.remove());

/** Runs the action, and says what the runner was told to mask. */
function act(inputs: Record<string, string>, env: Record<string, string> = {}) {
  const named = Object.entries({ root: tree.root, ...inputs }).map(([name, value]) => [
    `INPUT_${name.toUpperCase()}`,
    value,
  ]);
  const ran = runBundle(ACTION, [], {
    env: { ...Object.fromEntries(named), RUNNER_TEMP: tree.root, ...env },
  });
  const lines = ran.stdout.split('\n').filter((line) => line.startsWith('::add-mask::'));
  return { ...ran, masks: lines.map((line) => line.slice('::add-mask::'.length).replaceAll('%25', '%')) };
}

/** That each form of a secret is masked, and once. */
function expectMasked(masks: readonly string[], ...secrets: string[]) {
  for (const form of secrets.flatMap((one) => derivedForms(new Secret(one)))) {
    expect(masks.filter((one) => one === form)).toHaveLength(1);
  }
}

describe('the action masks', () => {
  it('a bearer that it makes', () => {
    const password = freshSecret();
    const ran = act({ command: 'sync', password });
    const bearer = tree.read(PATHS.token);
    expect(bearer).not.toBe(tree.bearer);
    expectMasked(ran.masks, password, bearer);
  });

  it('a password that came in a file', () => {
    const password = freshSecret();
    tree.write('password', `${password}\n`);
    expectMasked(act({ command: 'sync' }, { COMFYUI_PASSWORD_FILE: tree.path('password') }).masks, password);
  });

  it.each(['audit', 'sync', 'probe'])('what the files hold: %s', (command) => {
    const other = cheapHash(freshSecret());
    tree.write(PATHS.token, other);
    const ran = act({ command, url: 'http://127.0.0.1:1', timeout: '300ms' });
    expectMasked(ran.masks, tree.password, tree.bearer, other);
  });

  it('the variables of the credential under all their names', () => {
    const names = ['COMFYUI_RAW_TOKEN', 'COMFYUI_API_TOKEN', 'COMFYUI_AUTH_TOKEN', 'QWEN_API_USER_TOKEN'];
    const env = Object.fromEntries(names.map((name) => [name, freshSecret()]));
    expectMasked(act({ command: 'audit' }, env).masks, ...Object.values(env));
  });

  it('no placeholder: its word may stand in any log', () => {
    tree.edit(PATHS.env, /COMFYUI_PASSWORD=.*/, 'COMFYUI_PASSWORD=changeme');
    expect(act({ command: 'audit' }).masks).not.toContain('changeme');
  });
});

describe('a short value', () => {
  it('is reconciled where its name speaks of no secret', () => {
    const ran = act(
      { command: 'sync', variables: 'GPU_DEVICE_ID\nKEYBOARD' },
      { GPU_DEVICE_ID: '0', KEYBOARD: 'de' },
    );
    expect(ran.code).toBe(0);
    expect(tree.read(PATHS.env)).toMatch(/^GPU_DEVICE_ID=["']?0["']?$/m);
    expect(ran.masks).not.toContain('0');
  });

  it.each(['MY_TOKEN', 'API_KEY', 'SECRET', 'db_password'])('is refused as %s', (name) => {
    const ran = act({ command: 'sync', variables: name }, { [name]: randomBytes(2).toString('hex') });
    expect(ran.stdout).toContain(`${name}: fewer than 8 characters`);
    expect(ran.code).toBe(1);
  });
});
