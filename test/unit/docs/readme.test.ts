import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { ContainerExit } from '../../../entrypoint/exit.ts';
import { quoted, read, rows, section } from './source.ts';

const container = section(read('README.md'), '## The container');
const blocks = [...container.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => parse(text));
const [compose, own] = blocks;
const service = compose.services.comfyui;
const image = parse(read('image/compose.yaml').replaceAll('!reset', '')).services.comfyui;

test('the compose file mounts what the image’s own does', () => {
  const targets = image.volumes.map(({ target }: { target: string }) => target);
  expect(service.volumes.map((line: string) => line.split(':')[1])).toEqual(targets);
});

test('and sets only variables that exist', () => {
  const known = quoted(section(read('docs/entrypoint.md'), '## Variables'));
  for (const name of Object.keys(service.environment)) {
    expect(known, name).toContain(name.replace(/_FILE$/, ''));
  }
});

test('its secret stands where the variable looks for it', () => {
  const [name = ''] = service.secrets;
  expect(service.environment.COMFYUI_PASSWORD_FILE).toBe(`/run/secrets/${name}`);
  const { file } = compose.secrets[name];
  expect(container).toContain(`> ${file.replace('./', '')})`);
});

test('every folder that it mounts is made', () => {
  const [, made = ''] = /^mkdir -p (.*)$/m.exec(container) ?? [];
  const sources = service.volumes.map((line: string) => line.split(':')[0] ?? '');
  const folders = sources.filter((path: string) => path.startsWith('./'));
  expect(made.split(' ').sort()).toEqual(['secrets', ...folders.map((path: string) => path.slice(2))].sort());
});

test('an image of one’s own starts as the image does', () => {
  const text = read('image/Dockerfile');
  const [, entrypoint = '[]'] = /^ENTRYPOINT (.*)$/m.exec(text) ?? [];
  expect(own.entrypoint).toEqual(JSON.parse(entrypoint));
  expect(own.healthcheck.test).toEqual(image.healthcheck.test);
});

test('the short table has every exit code but the clean stop and the internal error', () => {
  const told = rows(container).flatMap(([codes = '']) => [...codes.matchAll(/\d+/g)].map(Number));
  const { stopped, internal, ...others } = ContainerExit;
  expect(told.filter((code) => code < 128).sort()).toEqual(Object.values(others).sort());
});
