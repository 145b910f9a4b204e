import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { connectionLimit } from '../../../entrypoint/expose/limit.ts';
import { freeLoopbackPort } from '../../../entrypoint/expose/port.ts';

test('a free port can be listened at, and is none that an outgoing connection may get', async () => {
  const port = await freeLoopbackPort();
  expect(port).toBeLessThan(32_768);
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.close();
});

const limits = (files: string) =>
  `Max processes  1  2  processes\nMax open files            ${files}  files\n`;

test.each([
  ['1024                 524288', 412],
  ['256                  256', 28],
  ['20                   20', 1],
  ['1048576              1048576', 4096],
  ['unlimited            unlimited', 4096],
])('open files %s: %i connections', (files, connections) => {
  expect(connectionLimit(limits(files))).toBe(connections);
});

test('where nothing says how many files may be open, few connections', () => {
  expect(connectionLimit('')).toBe(412);
});
