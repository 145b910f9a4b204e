import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, PATHS } from './deployment.ts';
import { expectSilent } from './silence.ts';
import { Watch } from './watch.ts';

/** Characters that some layer on the way escapes, splits at, or takes for a command. */
const KINDS: [name: string, odd: string][] = [
  ['quotes', `'"\``],
  ['dollars and backslashes', '$x\\n$$'],
  ['what begins a comment or a form', ' #%41=&+ '],
  ['commands of a runner', ' ::error::x ##[group]y'],
  ['all together', `'"$x\\#%0A= ::add-mask::##[z`],
];

let watch: Watch;
beforeEach(() => {
  watch = new Watch();
});
afterEach(() => watch.remove());

/** Canaries in every place that can hold one, well formed or not. */
function plant(odd: string): Record<string, string> {
  const hash = () => watch.canary(odd, '$2b$12$');
  watch.tree.write(
    PATHS.conf,
    watch.tree.confText({
      password: watch.canary(odd),
      bcrypt_hash: hash(),
      description: watch.canary(odd),
      locations: [{ path: '/x', content: watch.canary(odd) }, { content: hash() }],
    }),
  );
  watch.tree.write(PATHS.token, hash());
  watch.tree.write(PATHS.tokenCopy, `${watch.canary(odd)}\n${watch.canary(odd)}\n`);
  watch.tree.write(PATHS.password, `${hash()}\n${watch.canary(odd)}\n${watch.canary(odd)}`);
  watch.tree.write(PATHS.rootEnv, `COMFYUI_API_TOKEN=${hash()}\nCOMFYUI_RAW_TOKEN="${watch.canary(odd)}"\n`);
  watch.tree.write(`${PATHS.env}.backup-old`, watch.tree.envText(hash()));
  watch.tree.edit(PATHS.env, watch.tree.secrets.hf, watch.canary(odd, 'hf_'));
  watch.tree.edit(PATHS.env, watch.tree.secrets.civitai, `"${watch.canary(odd)}\n${watch.canary(odd)}"`);
  watch.tree.edit(PATHS.env, watch.tree.secrets.qwen, `'${watch.canary(odd)}`);
  return {
    HF_TOKEN: watch.canary(odd),
    COMFYUI_AUTH_SECRET_KEY: watch.canary(odd),
    SOME_OTHER_TOKEN: watch.canary(odd),
  };
}

describe.each(KINDS)('secrets with %s', (_, odd) => {
  it('in every file, and in the environment, leave by no way', async () => {
    const env = plant(odd);
    await watch.terminal(['audit'], env);
    await watch.terminal(['sync', '--dry-run'], env);
    await watch.terminal(['sync', '--variable', 'HF_TOKEN'], env);
    await watch.terminal(['explain', watch.tree.path(PATHS.env)], env);
    await watch.terminal(['explain', watch.tree.path(PATHS.rootEnv)], env);
    await watch.terminal(['init', '--dry-run'], env);
    await watch.action({ command: 'audit' }, env);
    await watch.action({ command: 'sync', variables: 'HF_TOKEN', 'secret-key': watch.canary(odd) }, env);
  });

  it('that are handed in leave by no way, whether they are taken or refused', async () => {
    const password = watch.canary(odd).trim();
    watch.tree.write('bearer', watch.canary(odd, '$2b$12$'));
    await watch.terminal(['sync', '--dry-run', '--password-stdin'], {}, password);
    await watch.terminal(['audit', '--password-stdin'], {}, password);
    await watch.terminal(['sync', '--bearer-file', watch.tree.path('bearer')]);
    await watch.terminal(['audit'], { COMFYUI_PASSWORD: password, COMFYUI_BEARER_TOKEN: watch.canary(odd) });
    await watch.terminal(['sync'], { COMFYUI_USERNAME: ` ${watch.canary(odd)}`, COMFYUI_PASSWORD: password });
    await watch.terminal(['sync', '--password-stdin'], {}, password);
    await watch.action({ command: 'sync', password });
    await watch.action({ command: 'audit', password, 'bearer-token': watch.canary(odd) });
    await watch.action({ command: 'sync', password: `${watch.canary(odd)}\n${watch.canary(odd)}` });
  });

  it('inside what cannot be parsed leave by no way', async () => {
    const say = JSON.stringify;
    const layouts = [
      `url: "${watch.canary(odd)}`,
      `url: |${watch.canary(odd)}`,
      `url: ${say(watch.canary(odd))} ${watch.canary(odd)}`,
      `url: ${say(`http://u:${watch.canary(odd)}@h`)}`,
      `origin: [${say(watch.canary(odd))}]`,
      `restart: { driver: ${say(watch.canary(odd))} }`,
      `restart: { driver: command, command: [curl, ${say(watch.canary(odd))}], x: 1 }`,
      `owner: ${say(watch.canary(odd))}`,
      `env: { file: x, readers: [${say(watch.canary(odd))}] }`,
      `env: { file: x, keys: { K: ${say(watch.canary(odd))} } }`,
      `? [${say(watch.canary(odd))}]\n    : 1`,
    ];
    for (const text of layouts) {
      watch.tree.write('comfyui-auth.yml', `version: 1\nservices:\n  a:\n    ${text}\n`);
      const ran = await watch.run(CLI, ['audit', '--root', watch.tree.root, '--json']);
      expectSilent(ran.stdout + ran.stderr, watch.canaries);
      expect([ran.code, JSON.parse(ran.stdout).error.code]).toEqual([2, 'layout-invalid']);
    }
    rmSync(watch.tree.path('comfyui-auth.yml'));
    for (const conf of [
      `{"raw_token": "${watch.canary(odd)}`,
      `{"raw_token": ${watch.canary(odd)}}`,
      `{${say(watch.canary(odd))}: 1,}`,
    ]) {
      watch.tree.write(PATHS.conf, conf);
      await watch.terminal(['audit']);
      await watch.terminal(['sync']);
    }
    watch.tree.write(
      PATHS.compose,
      `services:\n  comfyui-qwen: ${watch.canary(odd)}: "${watch.canary(odd)}\n`,
    );
    await watch.terminal(['init', '--dry-run']);
  });
});
