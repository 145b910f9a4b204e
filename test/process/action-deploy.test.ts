import { symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Acted, Runner, steady } from './action-stage.ts';
import { RunningService } from './deploy-stage.ts';
import { freshSecret } from './deployment.ts';

const services: RunningService[] = [];
let runner: Runner;
beforeEach(() => {
  runner = new Runner();
});
afterEach(() => {
  for (const service of services.splice(0)) service.remove();
  runner.remove();
});

async function stage(more: Parameters<typeof RunningService.start>[0] = {}): Promise<RunningService> {
  const service = await RunningService.start(more);
  services.push(service);
  return service;
}

const inputs = (service: RunningService, more: Record<string, string> = {}) => ({
  command: 'deploy',
  root: service.root,
  timeout: '20s',
  ...more,
});

const calm = (service: RunningService, text: string) =>
  steady(text, { ROOT: service.root, RUNNER: runner.folder, PORT: String(service.port) });

const outputs = (service: RunningService, ran: Acted) =>
  Object.fromEntries(
    Object.entries(ran.outputs).map(([name, text]) => [
      name,
      name === 'ready-after-ms' ? text.replace(/^\d+$/, 'TIME') : calm(service, text),
    ]),
  );

/** Lines of the log but for those on the way to the proof, which differ with the machine's haste. */
const lines = (service: RunningService, text: string) =>
  calm(service, text)
    .split('\n')
    .filter((line) => !/^comfyui: (?!restarting|back|recreating)/.test(line))
    .join('\n');

const commandsIn = (log: string) => log.split('\n').filter((line) => line.startsWith('::'));

describe('deploy', () => {
  it('writes, restarts and proves: log, outputs and summary, as a person and a workflow see them', async () => {
    const service = await stage();
    const password = freshSecret();
    const ran = runner.act(inputs(service, { password }));
    expect([ran.code, ran.stderr]).toEqual([0, '']);
    expect(service.read('.env')).toContain(password);
    expect(outputs(service, ran)).toMatchInlineSnapshot(`
      {
        "backup": "BACKUP",
        "changed": "true",
        "drift-count": "0",
        "env-file": "ROOT/.env",
        "exit-code": "0",
        "fingerprint": "FINGERPRINT",
        "proved": "true",
        "ready-after-ms": "TIME",
        "report": "RUNNER/REPORT.json",
        "rolled-back": "false",
        "status": "deployed",
      }
    `);
    expect(lines(service, ran.log)).toMatchInlineSnapshot(`
      "comfyui: restarting it
      comfyui  http://127.0.0.1:PORT
        update  .env                    COMFYUI_PASSWORD, COMFYUI_BEARER_TOKEN
        update  comfyui/login/PASSWORD  bearer
        with a new random bearer: clients that hold the old one will be refused
        it was restarted, proven after TIME
        pass     without a credential: refused  (401, TIME)
        pass     "?token=" empty: refused  (401, TIME)
        pass     a random bearer: refused  (401, TIME)
        pass     the bearer: accepted  (200, TIME)
        pass     the login page: no first visit, no guests  (200, TIME)
        fail     paths that end in .js: closed  (200, TIME, open)
        pass     the form, right password: accepted  (302, TIME)
        pass     the form, wrong password: refused  (302, TIME)

      warning  session-key-open  comfyui/custom_nodes/ComfyUI-Login/.secret-key.txt
          comfyui/custom_nodes/ComfyUI-Login/.secret-key.txt can be read by other users of this host: they can forge sessions
          → chmod go= ROOT/comfyui/custom_nodes/ComfyUI-Login/.secret-key.txt
      warning  open-by-suffix  http://127.0.0.1:PORT
          http://127.0.0.1:PORT lets anyone read and write paths that end in .js, .css, .css.map, .ico (a flaw of ComfyUI-Login)
          → publish the port on 127.0.0.1 only, behind a proxy that asks for a credential
      deployed and proven; the old files are kept as BACKUP
      ::warning title=session-key-open::comfyui/custom_nodes/ComfyUI-Login/.secret-key.txt can be read by other users of this host: they can forge sessions%0A→ chmod go= ROOT/comfyui/custom_nodes/ComfyUI-Login/.secret-key.txt
      ::warning title=open-by-suffix::http://127.0.0.1:PORT lets anyone read and write paths that end in .js, .css, .css.map, .ico (a flaw of ComfyUI-Login)%0A→ publish the port on 127.0.0.1 only, behind a proxy that asks for a credential
      "
    `);
    expect(calm(service, ran.summary)).toMatchInlineSnapshot(`
      "<h3>comfyui-auth deploy: deployed</h3>
      <p>deployed and proven; the old files are kept as BACKUP</p>
      <h4>comfyui · bearer FINGERPRINT</h4>
      <p>it was restarted, proven after TIME</p>
      <table><tr><th>action</th><th>file</th><th>keys</th></tr><tr><td>update</td><td>.env</td><td>COMFYUI_PASSWORD, COMFYUI_BEARER_TOKEN</td></tr><tr><td>update</td><td>comfyui/login/PASSWORD</td><td>bearer</td></tr></table>
      <table><tr><th>verdict</th><th>check</th><th>HTTP</th><th>time</th></tr><tr><td>✅ pass</td><td>anonymous</td><td>401</td><td>TIME</td></tr><tr><td>✅ pass</td><td>empty-token</td><td>401</td><td>TIME</td></tr><tr><td>✅ pass</td><td>wrong-bearer</td><td>401</td><td>TIME</td></tr><tr><td>✅ pass</td><td>bearer</td><td>200</td><td>TIME</td></tr><tr><td>✅ pass</td><td>login-page</td><td>200</td><td>TIME</td></tr><tr><td>fail</td><td>suffix</td><td>200</td><td>TIME</td></tr><tr><td>✅ pass</td><td>password</td><td>302</td><td>TIME</td></tr><tr><td>✅ pass</td><td>wrong-password</td><td>302</td><td>TIME</td></tr></table>
      <table><tr><th>severity</th><th>finding</th><th>place</th><th>what it means, and what to do</th></tr><tr><td>warning</td><td>session-key-open</td><td>comfyui/custom_nodes/ComfyUI-Login/.secret-key.txt</td><td>comfyui/custom_nodes/ComfyUI-Login/.secret-key.txt can be read by other users of this host: they can forge sessions → chmod go= ROOT/comfyui/custom_nodes/ComfyUI-Login/.secret-key.txt</td></tr><tr><td>warning</td><td>open-by-suffix</td><td>http://127.0.0.1:PORT</td><td>http://127.0.0.1:PORT lets anyone read and write paths that end in .js, .css, .css.map, .ico (a flaw of ComfyUI-Login) → publish the port on 127.0.0.1 only, behind a proxy that asks for a credential</td></tr></table>
      "
    `);
    expect(ran.report).toMatchObject({ command: 'deploy', status: 'deployed' });
    expect(runner.post(inputs(service, { password }))).toMatchObject({ code: 0, stdout: '', stderr: '' });

    const again = runner.act(inputs(service, { password }));
    expect(again.outputs).toMatchObject({
      status: 'unchanged',
      changed: 'false',
      proved: 'true',
      'rolled-back': 'false',
      backup: '',
      'exit-code': '0',
      fingerprint: ran.outputs.fingerprint,
    });
    expect(again.code).toBe(0);
  });

  it('puts everything back where the server refuses: the reason comes first', async () => {
    // The layout knows nothing of the PASSWORD that this server reads.
    const service = await stage({ passwordElsewhere: true });
    const before = service.files;
    const ran = runner.act(inputs(service, { password: freshSecret() }));
    expect([ran.code, ran.stderr]).toEqual([1, '']);
    expect(service.files).toEqual(before);
    expect(outputs(service, ran)).toMatchInlineSnapshot(`
      {
        "backup": "",
        "changed": "false",
        "drift-count": "1",
        "env-file": "ROOT/.env",
        "exit-code": "5",
        "fingerprint": "",
        "proved": "false",
        "ready-after-ms": "",
        "report": "RUNNER/REPORT.json",
        "rolled-back": "true",
        "status": "rolled-back",
      }
    `);
    expect(calm(service, commandsIn(ran.log).join('\n'))).toMatchInlineSnapshot(`
      "::error title=bearer-refused::http://127.0.0.1:PORT refuses the bearer: the process is older than its PASSWORD file, or holds another credential%0A→ comfyui-auth deploy --root ROOT --service comfyui   # starts it anew: a restart alone does not read .env again
      ::error::comfyui-auth deploy: rolled-back (exit code 5): bearer-refused"
    `);
    expect(calm(service, ran.summary)).toMatchInlineSnapshot(`
      "<h3>comfyui-auth deploy: rolled-back</h3>
      <p>❌ http://127.0.0.1:PORT refuses the bearer: the process is older than its PASSWORD file, or holds another credential → comfyui-auth deploy --root ROOT --service comfyui   # starts it anew: a restart alone does not read .env again</p>
      <p>ROLLED BACK: every file is as it was, and the services are as before</p>
      <h4>comfyui</h4>
      <p>back on its old files; it was restarted, proven after TIME</p>
      <table><tr><th>action</th><th>file</th><th>keys</th></tr><tr><td>put back</td><td>.env</td><td>COMFYUI_PASSWORD, COMFYUI_BEARER_TOKEN</td></tr></table>
      <table><tr><th>verdict</th><th>check</th><th>HTTP</th><th>time</th></tr><tr><td>✅ pass</td><td>anonymous</td><td>401</td><td>TIME</td></tr><tr><td>✅ pass</td><td>empty-token</td><td>401</td><td>TIME</td></tr><tr><td>✅ pass</td><td>wrong-bearer</td><td>401</td><td>TIME</td></tr><tr><td>✅ pass</td><td>bearer</td><td>200</td><td>TIME</td></tr><tr><td>✅ pass</td><td>login-page</td><td>200</td><td>TIME</td></tr><tr><td>fail</td><td>suffix</td><td>200</td><td>TIME</td></tr><tr><td>✅ pass</td><td>password</td><td>302</td><td>TIME</td></tr><tr><td>✅ pass</td><td>wrong-password</td><td>302</td><td>TIME</td></tr></table>
      <table><tr><th>severity</th><th>finding</th><th>place</th><th>what it means, and what to do</th></tr><tr><td>error</td><td>bearer-refused</td><td>http://127.0.0.1:PORT</td><td>http://127.0.0.1:PORT refuses the bearer: the process is older than its PASSWORD file, or holds another credential → comfyui-auth deploy --root ROOT --service comfyui   # starts it anew: a restart alone does not read .env again</td></tr></table>
      "
    `);
    expect(runner.post(inputs(service))).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('says of an open server that it was open, though all was put back', async () => {
    const service = await stage();
    const before = service.files;
    const ran = runner.act(inputs(service, { variables: 'MODE' }), { MODE: 'open' });
    expect([ran.code, ran.stderr]).toEqual([1, '']);
    expect(service.files).toEqual(before);
    expect(ran.outputs).toMatchObject({
      status: 'rolled-back',
      changed: 'false',
      proved: 'false',
      'rolled-back': 'true',
      'ready-after-ms': '',
      fingerprint: '',
      'exit-code': '4',
    });
    expect(commandsIn(ran.log)[0]).toMatch(/^::error title=open::/);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('is no rollback where a service does not run any more', async () => {
    const service = await stage();
    service.write('always', 'open');
    const ran = runner.act(inputs(service, { password: freshSecret() }));
    expect(ran.outputs).toMatchObject({ status: 'stopped', 'rolled-back': 'false', 'exit-code': '6' });
    expect(commandsIn(ran.log).map((line) => line.replace(/::.*/s, ''))).toEqual(['', '', '']);
    expect(ran.summary).toContain('left-stopped');
  });

  it('restarts as the input says', async () => {
    const service = await stage();
    const before = service.pid;
    const password = freshSecret();
    // Not restarted, the server goes on with the old credential, and refuses the new one.
    const ran = runner.act(inputs(service, { password, restart: 'none' }));
    expect(ran.outputs).toMatchObject({ status: 'rolled-back', 'exit-code': '5' });
    expect(service.pid).toBe(before);
  });

  it('proves nothing in a dry run', async () => {
    const service = await stage();
    const [files, pid] = [service.files, service.pid];
    const planned = runner.act(inputs(service, { password: freshSecret(), 'dry-run': 'true' }));
    expect(planned.outputs).toMatchObject({ status: 'planned', proved: 'false', changed: 'false' });
    expect(planned.summary).toContain('it would be restarted');
    const idle = runner.act(inputs(service, { 'dry-run': 'true' }));
    expect(idle.outputs).toMatchObject({ status: 'unchanged', proved: 'false', changed: 'false' });
    expect([planned.code, idle.code, service.files, service.pid]).toEqual([0, 0, files, pid]);
  });

  it('refuses what was handed in before anything is written', async () => {
    const service = await stage();
    const [files, pid] = [service.files, service.pid];
    const ran = runner.act(inputs(service, { password: freshSecret(), 'bearer-token': service.bearer }));
    expect(ran.code).toBe(1);
    expect(ran.outputs).toMatchObject({
      status: 'error',
      'exit-code': '2',
      changed: 'false',
      'rolled-back': 'false',
    });
    expect(ran.report.error.code).toBe('pair-mismatch');
    expect([service.files, service.pid]).toEqual([files, pid]);
    expect(runner.post(inputs(service))).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('points at file and line in the workspace, and at no file for what is none', async () => {
    const service = await stage();
    const layout = service.read('comfyui-auth.yml');
    service.write('comfyui-auth.yml', layout.replace('[dotenv] }', '[dotenv], required: [HF_TOKEN] }'));
    service.write('.env', `${service.read('.env')}HF_TOKEN=\n`);
    // As a checkout would have it: the deployment in the workspace.
    const root = `${runner.workspace}/site`;
    symlinkSync(service.root, root);
    const ran = runner.act({ ...inputs(service), root, password: freshSecret() });
    expect(commandsIn(ran.log)).toEqual([
      expect.stringMatching(/^::error title=key-empty,file=site\/\.env,line=5::/),
      '::error::comfyui-auth deploy: refused (exit code 2): key-empty',
    ]);
    expect(ran.summary).toMatch(/<p>❌ .*HF_TOKEN/);

    service.write('comfyui-auth.yml', layout);
    service.write('always', 'open');
    const open = runner.act({ ...inputs(service), root, password: freshSecret() });
    expect(commandsIn(open.log)[0]).toMatch(/^::error title=open::/);
    expect(commandsIn(open.log)).toContainEqual(expect.stringMatching(/^::error title=left-stopped::/));
  });

  it('comes to its end where nobody listens any more', async () => {
    const service = await stage();
    const acting = runner.begin(inputs(service, { password: freshSecret() }));
    await acting.heard('restarting it');
    acting.child.stdout?.destroy();
    const ran = await acting.ended;
    expect([ran.code, ran.stderr, ran.outputs.status]).toEqual([0, '', 'deployed']);
    expect(service.run('probe', {}).code).toBe(0);
  });

  it('lets two runs at once come to a good end, one behind the other', async () => {
    const service = await stage();
    const password = freshSecret();
    const other = new Runner();
    const both = [runner, other].map((one) => one.begin(inputs(service, { password })));
    const ends = await Promise.all(both.map((one) => one.ended));
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    const states = ends.map(({ outputs }) => `${outputs.status} ${outputs.changed} ${outputs.proved}`);
    expect(states.toSorted()).toEqual(['deployed true true', 'unchanged false true']);
    expect(service.run('audit', {}).code).toBe(0);
    other.remove();
  });
});
