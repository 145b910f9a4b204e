import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ACTION, CLI, cheapHash, freshSecret, PATHS } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { Watch } from './watch.ts';

let watch: Watch;
beforeEach(() => {
  watch = new Watch();
});
afterEach(() => watch.remove());

describe('a server that says back what it hears', () => {
  const heard = ({ headers, url }: IncomingMessage) =>
    String(headers.authorization ?? '').replace('Bearer ', '') || String(url);
  const answers: [name: string, status: number, headers: (text: string) => Record<string, string>][] = [
    ['in a page', 200, () => ({ 'content-type': 'text/html' })],
    ['in a refusal', 401, (text) => ({ 'www-authenticate': encodeURIComponent(text) })],
    ['in a redirect', 302, (text) => ({ location: `/x?token=${encodeURIComponent(text)}` })],
    [
      'in a redirect to elsewhere',
      307,
      (text) => ({ location: `http://127.0.0.1:9/${text}?${text}#${text}` }),
    ],
    [
      'in a redirect with a user',
      308,
      (text) => ({ location: `http://u:${encodeURIComponent(text)}@127.0.0.1:9/` }),
    ],
    ['in an error', 500, (text) => ({ 'x-error': encodeURIComponent(text) })],
  ];
  it.each(answers)('%s', async (_, status, headers) => {
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        const text = heard(request);
        response.writeHead(status, headers(text)).end(`${text} ${body} ${JSON.stringify(request.headers)}`);
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await watch.terminal(['probe', '--url', url, '--timeout', '700ms']);
    await watch.action({ command: 'probe', url, timeout: '700ms' });
    server.close();
  });

  it('as bytes that are no HTTP, or not at all', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => socket.end(chunk));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    for (const port of [(server.address() as AddressInfo).port, 1]) {
      await watch.terminal(['probe', '--url', `http://127.0.0.1:${port}`, '--timeout', '500ms']);
      await watch.action({ command: 'probe', url: `http://127.0.0.1:${port}`, timeout: '500ms' });
    }
    server.close();
  });
});

describe('the action', () => {
  const lacking: [name: string, env: Record<string, string>, said: string | undefined][] = [
    ['no folder for temporary files', { RUNNER_TEMP: '/nowhere' }, undefined],
    ['no folder that takes a report', { RUNNER_TEMP: '/nowhere', TMPDIR: '/nowhere' }, 'the report'],
    ['no file for outputs', { GITHUB_OUTPUT: '/nowhere/x' }, 'the outputs'],
    ['no file for the state', { GITHUB_STATE: '/nowhere/x' }, undefined],
    ['no file for the summary', { GITHUB_STEP_SUMMARY: '/nowhere/x' }, 'the job summary'],
    ['nothing at all', {}, undefined],
  ];
  it.each(lacking)('is good all the same, and says so, where the runner gave it %s', async (_, env, said) => {
    watch.tree.write(PATHS.token, cheapHash(freshSecret()));
    const inputs = {
      INPUT_COMMAND: 'sync',
      INPUT_ROOT: watch.tree.root,
      INPUT_PASSWORD: watch.tree.password,
    };
    const ran = await watch.run(ACTION, [], { ...inputs, TMPDIR: watch.aside, ...env });
    const log = ran.stdout.split('\n').filter((line) => !line.startsWith('::add-mask::'));
    expectSilent([...log, ran.stderr].join('\n'), watch.canaries);
    expect(ran.code).toBe(0);
    const commands = log.filter((line) => /^\s*::/.test(line));
    expect(commands.map((line) => line.replace(/ cannot be written: .*/, ''))).toEqual(
      said === undefined ? [] : [`::warning::${said}`],
    );
  });
});

describe('the search itself', () => {
  it('sees what children are given', async () => {
    watch.tree.write(PATHS.token, cheapHash(freshSecret()));
    const env = { HOME: watch.canaries[0] ?? '' };
    expect((await watch.run(CLI, ['audit', '--root', watch.tree.root], env)).children).toContain('HOME=');
    expect((await watch.run(CLI, ['sync', '--root', watch.tree.root], env)).children).toMatch(/^flock$/m);
  });

  it('finds the values that --reveal shows', async () => {
    const ran = await watch.run(CLI, [
      'explain',
      watch.tree.path(PATHS.env),
      '--reveal',
      '--root',
      watch.tree.root,
    ]);
    expect(ran.stdout).toContain(watch.tree.password);
    expect(() => expectSilent(ran.stdout, watch.canaries)).toThrow();
  });
});
