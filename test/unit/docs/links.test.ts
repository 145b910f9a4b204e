import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { read, root } from './source.ts';

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** What an editor or a forge makes of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

/** A document without its blocks of code, in which nothing is a link or a heading. */
const prose = (path: string) => read(path).replace(/^ *```[\s\S]*?^ *```$/gm, '');

const anchorsOf = (path: string) =>
  [...prose(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));

test.each(documents)('every link of %s leads somewhere', (path) => {
  const links = [...prose(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  for (const link of links.filter((one) => !/^[a-z]+:/.test(one))) {
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : join(dirname(path), file);
    expect(existsSync(resolve(root, target)), `${path}: ${link}`).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(target), `${path}: ${link}`).toContain(anchor);
  }
});

test('what code and files say to read is there', () => {
  const named = ['entrypoint', 'src', 'image'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /(?:\.ts|\.yaml|\.sh|Dockerfile)$/.test(name))
      .flatMap((name) => [...read(`${folder}/${name}`).matchAll(/\bdocs\/[\w-]+\.md\b/g)])
      .map(([path]) => path),
  );
  expect(named.length).toBeGreaterThan(0);
  expect([...new Set(named)].filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
