import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ACTION, CLI, cheapHash, cleanEnv, Deployment, freshSecret, PATHS } from './deployment.ts';
import { expectSilent } from './silence.ts';

/** Characters that some layer on the way escapes, splits at, or takes for a command. */
const KINDS: [name: string, odd: string][] = [
  ['quotes', `'"\``],
  ['dollars and backslashes', '$x\\n$$'],
  ['what begins a comment or a form', ' #%41=&+ '],
  ['commands of a runner', ' ::error::x ##[group]y'],
  ['all together', `'"$x\\#%0A= ::add-mask::##[z`],
];

let tree: Deployment;
let aside: string;
let canaries: string[];
beforeEach(() => {
  tree = new Deployment();
  aside = mkdtempSync(join(tmpdir(), 'comfyui-auth-aside-'));
  canaries = [tree.password, tree.bearer, ...Object.values(tree.secrets)];
});
afterEach(() => {
  tree.remove();
  rmSync(aside, { recursive: true, force: true });
});

/** A secret that is looked for from now on. */
function canary(odd = '', prefix = ''): string {
  const secret = `${prefix}${freshSecret()}${odd}${freshSecret()}`;
  canaries.push(secret, ...secret.split(/[\s'"=#]+/).filter((piece) => piece.length >= 20));
  return secret;
}

/** `git` and `flock` that write down their arguments and their environment. */
function watchedPath(): string {
  const bin = join(aside, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const name of ['git', 'flock']) {
    const record = `{ printf '%s\\n' ${name} "$@"; env; } >>'${aside}/children'`;
    const real = name === 'flock' ? 'PATH=/usr/bin:/bin; exec flock "$@"' : '';
    writeFileSync(join(bin, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${record}\n${real}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  writeFileSync(join(aside, 'children'), '');
  return `${bin}:${process.env.PATH}`;
}

/** Runs a bundle beside this process, whose servers go on answering. */
async function run(bundle: string, args: string[], env: Record<string, string> = {}, input = '') {
  const child = spawn(process.execPath, [bundle, ...args], {
    env: cleanEnv({ PATH: watchedPath(), ...env }),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return {
    code: code as number | null,
    stdout,
    stderr,
    children: readFileSync(join(aside, 'children'), 'utf8'),
  };
}

/** What a run left in the state folder, the kept old files apart: those hold old secrets, for their owner alone. */
function stateText(): string {
  const texts: string[] = [];
  let entries: ReturnType<typeof listed> = [];
  try {
    entries = listed();
  } catch {
    return '';
  }
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    expect(statSync(path).mode & 0o777, path).toBe(entry.isDirectory() ? 0o700 : 0o600);
    if (entry.isFile() && !/\/backups\/[^/]+\/\d+$/.test(path)) texts.push(readFileSync(path, 'utf8'));
  }
  return texts.join('\n');
}
const listed = () => readdirSync(tree.path('.comfyui-auth'), { recursive: true, withFileTypes: true });

/** Runs the terminal, as text and as JSON, and looks for every canary in all that leaves it. */
async function terminal(args: string[], env: Record<string, string> = {}, input = ''): Promise<void> {
  for (const json of [[], ['--json']]) {
    const ran = await run(CLI, [...args, '--root', tree.root, ...json], env, input);
    expectSilent([ran.stdout, ran.stderr, ran.children, stateText()].join('\n'), canaries);
    if (json.length > 0) expect(JSON.parse(ran.stdout)).toHaveProperty('status');
    expect(ran.code).not.toBe(null);
  }
}

/** Runs the action, and looks for every canary in all that leaves it but the masks. */
async function action(inputs: Record<string, string>, env: Record<string, string> = {}): Promise<void> {
  const named = Object.entries({ root: tree.root, ...inputs }).map(([k, v]) => [
    `INPUT_${k.toUpperCase()}`,
    v,
  ]);
  for (const name of ['output', 'summary']) writeFileSync(join(aside, name), '');
  const ran = await run(ACTION, [], {
    ...Object.fromEntries(named),
    GITHUB_OUTPUT: join(aside, 'output'),
    GITHUB_STEP_SUMMARY: join(aside, 'summary'),
    RUNNER_TEMP: aside,
    ...env,
  });
  const said = ran.stdout.split('\n').filter((line) => !line.startsWith('::add-mask::'));
  const reports = readdirSync(aside).filter((name) => name.endsWith('.json'));
  const files = ['output', 'summary', ...reports].map((name) => readFileSync(join(aside, name), 'utf8'));
  expectSilent([...said, ran.stderr, ran.children, ...files, stateText()].join('\n'), canaries);
  // Foreign text never makes a command of its own.
  for (const line of said)
    expect(line).toMatch(/^(?:::(?:error|warning|notice)(?: |::)|(?!.*(?:##\[|(?:^|\s)::)))/);
}

/** Canaries in every place that can hold one, well formed or not. */
function plant(odd: string): Record<string, string> {
  const hash = () => canary(odd, '$2b$12$');
  tree.write(
    PATHS.conf,
    tree.confText({
      password: canary(odd),
      bcrypt_hash: hash(),
      description: canary(odd),
      locations: [{ path: '/x', content: canary(odd) }, { content: hash() }],
    }),
  );
  tree.write(PATHS.token, hash());
  tree.write(PATHS.tokenCopy, `${canary(odd)}\n${canary(odd)}\n`);
  tree.write(PATHS.password, `${hash()}\n${canary(odd)}\n${canary(odd)}`);
  tree.write(PATHS.rootEnv, `COMFYUI_API_TOKEN=${hash()}\nCOMFYUI_RAW_TOKEN="${canary(odd)}"\n`);
  tree.write(`${PATHS.env}.backup-old`, tree.envText(hash()));
  tree.edit(PATHS.env, tree.secrets.hf, canary(odd, 'hf_'));
  tree.edit(PATHS.env, tree.secrets.civitai, `"${canary(odd)}\n${canary(odd)}"`);
  tree.edit(PATHS.env, tree.secrets.qwen, `'${canary(odd)}`);
  return {
    HF_TOKEN: canary(odd),
    COMFYUI_AUTH_SECRET_KEY: canary(odd),
    SOME_OTHER_TOKEN: canary(odd),
  };
}

describe.each(KINDS)('secrets with %s', (_, odd) => {
  it('in every file, and in the environment, leave by no way', async () => {
    const env = plant(odd);
    await terminal(['audit'], env);
    await terminal(['sync', '--dry-run'], env);
    await terminal(['sync', '--variable', 'HF_TOKEN'], env);
    await terminal(['explain', tree.path(PATHS.env)], env);
    await terminal(['explain', tree.path(PATHS.rootEnv)], env);
    await terminal(['init', '--dry-run'], env);
    await action({ command: 'audit' }, env);
    await action({ command: 'sync', variables: 'HF_TOKEN', 'secret-key': canary(odd) }, env);
  });

  it('that are handed in leave by no way, whether they are taken or refused', async () => {
    const password = canary(odd).trim();
    tree.write('bearer', canary(odd, '$2b$12$'));
    await terminal(['sync', '--dry-run', '--password-stdin'], {}, password);
    await terminal(['audit', '--password-stdin'], {}, password);
    await terminal(['sync', '--bearer-file', tree.path('bearer')]);
    await terminal(['audit'], { COMFYUI_PASSWORD: password, COMFYUI_BEARER_TOKEN: canary(odd) });
    await terminal(['sync'], { COMFYUI_USERNAME: ` ${canary(odd)}`, COMFYUI_PASSWORD: password });
    await terminal(['sync', '--password-stdin'], {}, password);
    await action({ command: 'sync', password });
    await action({ command: 'audit', password, 'bearer-token': canary(odd) });
    await action({ command: 'sync', password: `${canary(odd)}\n${canary(odd)}` });
  });

  it('inside what cannot be parsed leave by no way', async () => {
    const say = JSON.stringify;
    const layouts = [
      `url: "${canary(odd)}`,
      `url: |${canary(odd)}`,
      `url: ${say(canary(odd))} ${canary(odd)}`,
      `url: ${say(`http://u:${canary(odd)}@h`)}`,
      `origin: [${say(canary(odd))}]`,
      `restart: { driver: ${say(canary(odd))} }`,
      `restart: { driver: command, command: [curl, ${say(canary(odd))}], x: 1 }`,
      `owner: ${say(canary(odd))}`,
      `env: { file: x, readers: [${say(canary(odd))}] }`,
      `env: { file: x, keys: { K: ${say(canary(odd))} } }`,
      `? [${say(canary(odd))}]\n    : 1`,
    ];
    for (const text of layouts) {
      tree.write('comfyui-auth.yml', `version: 1\nservices:\n  a:\n    ${text}\n`);
      const ran = await run(CLI, ['audit', '--root', tree.root, '--json']);
      expectSilent(ran.stdout + ran.stderr, canaries);
      expect([ran.code, JSON.parse(ran.stdout).error.code]).toEqual([2, 'layout-invalid']);
    }
    rmSync(tree.path('comfyui-auth.yml'));
    for (const conf of [
      `{"raw_token": "${canary(odd)}`,
      `{"raw_token": ${canary(odd)}}`,
      `{${say(canary(odd))}: 1,}`,
    ]) {
      tree.write(PATHS.conf, conf);
      await terminal(['audit']);
      await terminal(['sync']);
    }
    tree.write(PATHS.compose, `services:\n  comfyui-qwen: ${canary(odd)}: "${canary(odd)}\n`);
    await terminal(['init', '--dry-run']);
  });
});

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
    await terminal(['probe', '--url', url, '--timeout', '700ms']);
    await action({ command: 'probe', url, timeout: '700ms' });
    server.close();
  });

  it('as bytes that are no HTTP, or not at all', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => socket.end(chunk));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    for (const port of [(server.address() as AddressInfo).port, 1]) {
      await terminal(['probe', '--url', `http://127.0.0.1:${port}`, '--timeout', '500ms']);
      await action({ command: 'probe', url: `http://127.0.0.1:${port}`, timeout: '500ms' });
    }
    server.close();
  });
});

describe('the action', () => {
  it('prints no stack and no secret where the runner gave it no file to write to', async () => {
    tree.write(PATHS.token, cheapHash(freshSecret()));
    for (const env of [
      { GITHUB_OUTPUT: '/nowhere/x' },
      { GITHUB_STEP_SUMMARY: '/nowhere/x' },
      { RUNNER_TEMP: '/nowhere' },
    ]) {
      const inputs = { INPUT_COMMAND: 'sync', INPUT_ROOT: tree.root, INPUT_PASSWORD: tree.password };
      const ran = await run(ACTION, [], { ...inputs, ...env });
      const said = ran.stdout.split('\n').filter((line) => !line.startsWith('::add-mask::'));
      expectSilent([...said, ran.stderr].join('\n').replaceAll('should not happen', ''), canaries);
      expect([ran.code, said.join('\n')]).toEqual([1, expect.stringContaining('::error::')]);
    }
  });
});

describe('the search itself', () => {
  it('sees what children are given', async () => {
    tree.write(PATHS.token, cheapHash(freshSecret()));
    const env = { HOME: canaries[0] ?? '' };
    expect((await run(CLI, ['audit', '--root', tree.root], env)).children).toContain('HOME=');
    expect((await run(CLI, ['sync', '--root', tree.root], env)).children).toMatch(/^flock$/m);
  });

  it('finds the values that --reveal shows', async () => {
    const ran = await run(CLI, ['explain', tree.path(PATHS.env), '--reveal', '--root', tree.root]);
    expect(ran.stdout).toContain(tree.password);
    expect(() => expectSilent(ran.stdout, canaries)).toThrow();
  });
});
