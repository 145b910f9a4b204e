import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cheapHash, Deployment, found, freshSecret, PATHS } from './deployment.ts';

// What the commands do with files is promised on every system (README, "On other systems"), flock or not. On all of
// them these tests run; elsewhere than on Linux they are the ones that do.
let tree: Deployment;
beforeEach(() => {
  tree = new Deployment();
  tree.write(PATHS.token, cheapHash(freshSecret()));
  tree.write(PATHS.env, tree.envText(tree.bearer));
});
afterEach(() => tree.remove());

const sync = (...args: string[]) =>
  tree.runWith({ input: tree.password }, 'sync', '--password-stdin', ...args);

it('finds what disagrees', () => {
  const ran = tree.run('audit');
  expect(ran.code).toBe(1);
  expect(found(ran, 'bearer-drift')).toHaveLength(1);
  expect(found(ran, 'value-mangled').map(({ location }) => location?.key)).toContain('COMFYUI_BEARER_TOKEN');
});

it('shows a plan, and writes nothing', () => {
  const before = tree.photograph();
  expect(sync('--dry-run').json).toMatchObject({ status: 'planned', exitCode: 0 });
  expect(tree.photograph()).toEqual(before);
});

it('makes all files agree; a second run changes none of them', () => {
  const first = sync();
  expect(first.json).toMatchObject({ status: 'changed', exitCode: 0 });
  expect(tree.read(PATHS.token).trim()).toBe(tree.bearer);
  expect(tree.read(PATHS.env)).toContain(`COMFYUI_BEARER_TOKEN='${tree.bearer}'`);
  expect(tree.run('audit').json).toMatchObject({ status: 'clean', exitCode: 0 });
  const before = tree.photograph();
  expect(sync().json).toMatchObject({ status: 'unchanged', exitCode: 0 });
  expect(tree.photograph()).toEqual(before);
});

it('refuses, and writes nothing, where a required key has no value', () => {
  tree.edit(PATHS.env, /.*CIVITAI_TOKEN=.*\n/, '');
  const before = tree.photograph();
  expect(sync().json).toMatchObject({ exitCode: 2 });
  expect(tree.photograph()).toEqual(before);
});

it('says what each reader makes of a line', () => {
  const { readers } = tree.run('explain', tree.path(PATHS.env)).json;
  expect(readers.compose.COMFYUI_BEARER_TOKEN).toMatchObject({ asMeant: false });
  expect(readers.dotenv.COMFYUI_BEARER_TOKEN).toMatchObject({ asMeant: true, length: 60 });
});

it('writes a layout from what it finds', () => {
  expect(tree.run('init').code).toBe(0);
  expect(existsSync(tree.path('comfyui-auth.yml'))).toBe(true);
  expect(sync().code).toBe(0);
  expect(tree.run('audit').json).toMatchObject({ status: 'clean' });
});
