import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../src/model/secret.ts';
import { derivedForms } from '../../src/platform/redact.ts';
import { Runner, steady } from './action-stage.ts';
import { cheapHash, Deployment, freshSecret, PATHS } from './deployment.ts';

let tree: Deployment;
let runner: Runner;
beforeEach(() => {
  tree = new Deployment();
  runner = new Runner();
});
afterEach(() => {
  tree.remove();
  runner.remove();
});

const act = (inputs: Record<string, string>, env: Record<string, string> = {}) =>
  runner.act({ root: tree.root, ...inputs }, env);

const calm = (text: string) => steady(text, { ROOT: tree.root, RUNNER: runner.folder });

describe('the action', () => {
  it('sync: outputs, summary and log, as a person and a workflow see them', () => {
    tree.write(PATHS.token, cheapHash(freshSecret()));
    const ran = act(
      { command: 'sync', password: tree.password, variables: 'HF_TOKEN' },
      { HF_TOKEN: freshSecret('hf_') },
    );
    expect(ran.code).toBe(0);
    expect(
      Object.fromEntries(Object.entries(ran.outputs).map(([name, value]) => [name, calm(value)])),
    ).toMatchInlineSnapshot(`
      {
        "backup": "BACKUP",
        "changed": "true",
        "drift-count": "0",
        "env-file": "ROOT/docker-configurations/services/comfyui-qwen/.env",
        "exit-code": "0",
        "fingerprint": "FINGERPRINT",
        "proved": "false",
        "ready-after-ms": "",
        "report": "RUNNER/REPORT.json",
        "rolled-back": "false",
        "status": "changed",
      }
    `);
    expect(calm(ran.summary)).toMatchInlineSnapshot(`
      "<h3>comfyui-auth sync: changed</h3>
      <h4>comfyui-qwen · bearer FINGERPRINT</h4>
      <table><tr><th>action</th><th>file</th><th>keys</th></tr><tr><td>update</td><td>docker-configurations/services/comfyui-qwen/.env</td><td>HF_TOKEN</td></tr><tr><td>none</td><td>.secrets/comfyui_auth_tokens.conf</td><td></td></tr><tr><td>update</td><td>.secrets/qwen-api-user.token</td><td>bearer</td></tr><tr><td>none</td><td>docker-configurations/services/comfyui-qwen/.secrets/qwen-api-user.token</td><td></td></tr><tr><td>none</td><td>.secrets/.env.generated</td><td></td></tr><tr><td>none</td><td>.env</td><td></td></tr><tr><td>none</td><td>docker-configurations/services/comfyui-qwen/workspace/login/PASSWORD</td><td></td></tr></table>
      "
    `);
    expect(calm(ran.log)).toMatchInlineSnapshot(`
      "comfyui-qwen
        update    docker-configurations/services/comfyui-qwen/.env                          HF_TOKEN
        as it is  .secrets/comfyui_auth_tokens.conf
        update    .secrets/qwen-api-user.token                                              bearer
        as it is  docker-configurations/services/comfyui-qwen/.secrets/qwen-api-user.token
        as it is  .secrets/.env.generated
        as it is  .env
        as it is  docker-configurations/services/comfyui-qwen/workspace/login/PASSWORD

      changed; the old files are kept as BACKUP
      "
    `);
    expect(ran.report).toMatchObject({ command: 'sync', status: 'changed' });
  });

  it('masks every derived form of every secret before anything else', () => {
    const password = `${freshSecret()}'"$ #%=`.concat('x');
    const key = freshSecret(freshSecret());
    const token = freshSecret('hf_');
    const ran = act({ password, 'secret-key': key, variables: 'HF_TOKEN' }, { HF_TOKEN: token });
    const lines = ran.stdout.split('\n').slice(0, ran.masks.length);
    expect(lines.filter((line) => !line.startsWith('::add-mask::'))).toEqual([]);
    for (const secret of [password, key, token]) {
      for (const form of derivedForms(new Secret(secret))) expect(ran.masks).toContain(form);
    }
  });

  it('lets no byte of a secret out, whatever the command', () => {
    const other = freshSecret();
    tree.write(PATHS.token, cheapHash(other));
    tree.edit(PATHS.env, /HF_TOKEN=.*/, 'HF_TOKEN=hf_REDACTED');
    const canaries = [tree.password, tree.bearer, other, tree.secrets.civitai, tree.secrets.qwen];
    for (const command of ['audit', 'sync', 'probe']) {
      const ran = act({
        command,
        password: tree.password,
        'bearer-token': tree.bearer,
        url: 'http://127.0.0.1:1',
        timeout: '300ms',
      });
      const shown = [ran.log, ran.stderr, runner.kept()].join('\n');
      for (const form of canaries.flatMap((one) => derivedForms(new Secret(one))))
        expect(shown).not.toContain(form);
    }
  });

  it('audit: annotations point at file and line, and the step fails', () => {
    tree.write(PATHS.env, tree.envText(tree.bearer));
    const ran = act({ command: 'audit' }, { GITHUB_WORKSPACE: tree.root });
    expect(ran.stdout).toContain(`::error title=value-mangled,file=${PATHS.env},line=6::`);
    expect(ran.outputs).toMatchObject({ status: 'findings', 'exit-code': '1' });
    expect(Number(ran.outputs['drift-count'])).toBeGreaterThan(0);
    expect(ran.code).toBe(1);
  });

  it('a failure points at file and line, too', () => {
    tree.write('comfyui-auth.yml', 'version: 1\nservices:\n  a:\n    owner: nobody\n');
    const ran = act({ command: 'deploy' }, { GITHUB_WORKSPACE: tree.root });
    expect(ran.log).toMatch(/^::error file=comfyui-auth\.yml,line=4::/m);
    expect(act({ command: 'deploy' }).log).toMatch(/^::error::/m);
  });

  it('neutralises what would be a command in foreign text', () => {
    const folder = '::set-env::x ##[error]y';
    tree.write(
      `${folder}/comfyui-auth.yml`,
      'version: 1\nservices: { a: { locations: [{ path: t, kind: token-file, holds: bearer }] } }\n',
    );
    const ran = act({ command: 'audit', root: tree.path(folder) });
    expect(ran.stdout).not.toContain('##[error]y');
    expect(ran.stdout).not.toMatch(/\s::set-env::/);
    expect(ran.summary).not.toContain('##[error]y');
  });

  const wrong: [string, Record<string, string>, string][] = [
    ['an unknown command', { command: 'deploi' }, 'input "command"'],
    ['an unknown way to restart', { command: 'deploy', restart: 'hard' }, 'input "restart"'],
    ['a user name alone', { username: 'admin' }, 'input "username"'],
    ['a short password', { password: 'short' }, 'input "password"'],
    ['a flag that is no boolean', { 'dry-run': 'maybe' }, 'input "dry-run"'],
    ['a time without sense', { timeout: 'soon' }, 'input "timeout"'],
    ['a time that no timer can wait', { timeout: '600h' }, 'at most 24h'],
    ['an address with a password', { url: `http://u:${freshSecret()}@h/` }, 'input "url"'],
    ['an empty variable', { variables: 'HF_TOKEN' }, 'HF_TOKEN (not set)'],
  ];
  it.each(wrong)('refuses %s', (_, inputs, says) => {
    const before = tree.photograph();
    const ran = act(inputs);
    expect(ran.stdout).toContain('::error::');
    expect(ran.stdout).toContain(says);
    const { report, ...outputs } = ran.outputs;
    expect(report).toContain(runner.folder);
    expect(outputs).toEqual({
      status: 'error',
      changed: 'false',
      'drift-count': '',
      proved: 'false',
      'rolled-back': 'false',
      'exit-code': '2',
      'ready-after-ms': '',
      fingerprint: '',
      'env-file': '',
      backup: '',
    });
    expect(ran.report).toMatchObject({
      command: inputs.command === undefined ? 'sync' : inputs.command === 'deploy' ? 'deploy' : '',
      status: 'error',
      exitCode: 2,
    });
    expect(ran.summary).toMatch(/^<h3>comfyui-auth( sync| deploy)?: error<\/h3>\n<p>.+<\/p>\n$/);
    expect(ran.summary).toContain(says.replaceAll('"', '&quot;'));
    expect(ran.code).toBe(1);
    expect(tree.photograph()).toEqual(before);
    if (inputs.url !== undefined)
      expect(ran.stdout + ran.summary + JSON.stringify(ran.report)).not.toContain(inputs.url.slice(9, 20));
    expect(act({ ...inputs, summary: 'false' }).summary).toBe('');
    expect(runner.post({ root: tree.root, ...inputs })).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });
});
