import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { managerSecurity } from '../../../entrypoint/preflight/manager-security.ts';
import { type Laid, lay, look, world } from './world.ts';

const OLD = 'user/default/ComfyUI-Manager/config.ini';
const NEW = 'user/__manager/config.ini';

/** A ComfyUI behind the relay, or not. */
function stage(
  files: Record<string, string>,
  expose: 'direct' | 'relay' = 'relay',
  options?: string[],
): Laid {
  const at = world({ ...(options !== undefined && { options }) });
  for (const [path, content] of Object.entries(files)) lay(join(at.comfyui, path), content);
  return { ...at, settings: { ...at.settings, expose } };
}

const level = (name: string) =>
  `[default]\nnetwork_mode = public\nsecurity_level = ${name}\ndb_mode = cache\n`;

test.each([
  ['normal-', OLD, level('normal-')],
  ['weak', NEW, level('weak')],
  ['normal-', NEW, '[default]\r\nSecurity_Level: NORMAL-\r\n'],
])('behind the relay %s is warned of, in %s', async (name, path, content) => {
  const result = await look(managerSecurity, stage({ [path]: content }));
  expect(result).toMatchObject({ verdict: 'fail', severity: 'warning' });
  expect(result.message).toContain(`${path} has security_level = ${name}: `);
  expect(result.remedy).toMatch(/security_level = normal in .*config\.ini, or EXPOSE_MODE=direct/);
});

test('the user folder is the one that ComfyUI is told', async () => {
  const at = stage({ '../elsewhere/__manager/config.ini': level('weak') }, 'relay', [
    '--user-dir',
    '../elsewhere',
  ]);
  expect(await look(managerSecurity, at)).toMatchObject({ verdict: 'fail' });
});

test.each<[string, Record<string, string>]>([
  ['no ComfyUI-Manager', {}],
  ['its default', { [OLD]: '[default]\npreview_method = auto\n' }],
  ['normal', { [OLD]: level('normal'), [NEW]: level('strong') }],
  ['a comment', { [OLD]: `# security_level = weak\n${level('normal')}` }],
])('nothing to warn of: %s', async (_name, files) => {
  expect(await look(managerSecurity, stage(files))).toMatchObject({ verdict: 'pass' });
});

test('without the relay it is not asked', async () => {
  expect(await look(managerSecurity, stage({ [OLD]: level('weak') }, 'direct'))).toMatchObject({
    verdict: 'skip',
  });
});

test('what cannot be read is unknown', async () => {
  const at = stage({});
  mkdirSync(join(at.comfyui, NEW), { recursive: true });
  expect(await look(managerSecurity, at)).toMatchObject({ verdict: 'unknown' });
});
