import { spawnSync } from 'node:child_process';
import { linkSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { derivedSalt } from '../../src/model/bcrypt.ts';
import { asShellExpands } from '../../src/model/forensics.ts';
import { Secret } from '../../src/model/secret.ts';
import { requires } from '../system/capability.ts';
import { cheapHash, Deployment, freshPassword, UNPROVEN } from './entrypoint-harness.ts';

let deployment: Deployment;
beforeEach(async () => {
  deployment = await Deployment.make();
});
afterEach(() => deployment.remove());

const onDisk = (text: string) => writeFileSync(deployment.password, text);
const stored = () => readFileSync(deployment.password, 'utf8').split('\n');

/** Runs until the credential is written; `true` plays ComfyUI, and ends at once. */
const boot = (env: Record<string, string>) => deployment.end(['run', '--', 'true'], env);

describe('the credential at boot, row by row', () => {
  test('a bearer alone is written, and the untested form is said', async () => {
    const hash = cheapHash(freshPassword());
    onDisk(`${cheapHash(freshPassword())}\nold`);
    const { code, output } = await boot({ COMFYUI_BEARER_TOKEN: hash, COMFYUI_USERNAME: 'ada' });
    expect(code).toBe(UNPROVEN);
    expect(stored()).toEqual([hash, 'ada']);
    expect(output).toMatch(/login form cannot be tested/);
    expect(output).not.toContain(hash);
  });

  test('a bearer with its password is written', async () => {
    const password = freshPassword();
    const hash = cheapHash(password);
    const { code, output } = await boot({ COMFYUI_BEARER_TOKEN: hash, COMFYUI_PASSWORD: password });
    expect(code).toBe(UNPROVEN);
    expect(stored()).toEqual([hash, 'admin']);
    expect(output).not.toMatch(/cannot be tested/);
  });

  test('a bearer with another password is refused, and nothing is written', async () => {
    const before = `${cheapHash(freshPassword())}\nada`;
    onDisk(before);
    const env = { COMFYUI_BEARER_TOKEN: cheapHash(freshPassword()), COMFYUI_PASSWORD: freshPassword() };
    const { code, output } = await boot(env);
    expect(code).toBe(78);
    expect(output).toMatch(/the hash does not belong to the password/);
    expect(stored().join('\n')).toBe(before);
  });

  test('a password that opens the deployed hash keeps it, byte for byte and unwritten', async () => {
    const password = freshPassword();
    onDisk(`${cheapHash(password)}\nada`);
    expect((await boot({ COMFYUI_PASSWORD: password })).code).toBe(UNPROVEN);
    const before = { bytes: stored(), mtime: statSync(deployment.password).mtimeMs, key: readKey() };
    const { output } = await boot({ COMFYUI_PASSWORD: password });
    expect(output).toMatch(/kept/);
    expect({ bytes: stored(), mtime: statSync(deployment.password).mtimeMs, key: readKey() }).toEqual(before);
  });

  test('another password makes a random token where there is no key, and says that it changed', async () => {
    const password = freshPassword();
    onDisk(`${cheapHash(freshPassword())}\nada`);
    const { code, output } = await boot({ COMFYUI_PASSWORD: password });
    expect(code).toBe(UNPROVEN);
    const [hash = '', username] = stored();
    expect(bcrypt.compareSync(password, hash)).toBe(true);
    expect(username).toBe('ada');
    expect(output).toMatch(/the token changed/);
  });

  test.each(['COMFYUI_AUTH_SECRET_KEY', 'SECRET_KEY'])(
    '%s gives the same token on every host',
    async (name) => {
      const password = freshPassword();
      const key = 'k'.repeat(16) + freshPassword() + 'k'.repeat(16);
      const env = { COMFYUI_PASSWORD: password, [name]: key, COMFYUI_SERVICE: 'qwen' };
      expect((await boot(env)).code).toBe(UNPROVEN);
      const expected = bcrypt.hashSync(password, derivedSalt(new Secret(key), 'qwen', 'admin'));
      expect(stored()).toEqual([expected, 'admin']);
    },
  );

  test.each(['short', `auto_generated_${'x'.repeat(40)}`])(
    'a weak secret key is not used: %s',
    async (key) => {
      const password = freshPassword();
      const { output } = await boot({ COMFYUI_PASSWORD: password, SECRET_KEY: key });
      expect(output).toMatch(/secret key is not used/);
      const derived = bcrypt.hashSync(password, derivedSalt(new Secret(key), 'comfyui-qwen', 'admin'));
      expect(stored()[0]).not.toBe(derived);
    },
  );

  test('nothing given and a good hash deployed: kept, with a warning', async () => {
    const hash = cheapHash(freshPassword());
    onDisk(`${hash}\nada`);
    const { code, output } = await boot({});
    expect(code).toBe(UNPROVEN);
    expect(output).toMatch(/warning: no credential was handed in/);
    expect(stored()).toEqual([hash, 'ada']);
  });

  test.each([
    ['none', undefined],
    ['empty', ''],
    ['cut', `${cheapHash('whatever-it-was').slice(0, 57)}\nada`],
  ])('nothing given and no good hash deployed (%s): refused', async (_, content) => {
    if (content !== undefined) onDisk(content);
    const { code, output } = await boot({});
    expect(code).toBe(78);
    expect(output).toMatch(/first visitor/);
  });
});

const HASH = cheapHash(freshPassword());

describe('a mangled bearer is refused with its diagnosis', () => {
  test.each<[string, string, RegExp]>([
    ['one doubled character', HASH.slice(0, 20) + HASH.slice(19), /61 characters.*doubled-character/],
    ['cut', HASH.slice(0, 57), /57 characters.*truncated/],
    ['CRLF', `${HASH}\r\n`, /line end.*white-space/],
    ['what Compose leaves of it', '$2b$12', /Compose took "\$…"/],
    ['what a shell leaves of it', asShellExpands(HASH), /a shell took "\$…"/],
    ['quoted', `'${HASH}'`, /quotes/],
    ['a scheme before it', `Bearer ${HASH}`, /"Bearer"/],
    ['a BOM', `\uFEFF${HASH}`, /byte order mark/],
    ['the key repeated', `COMFYUI_BEARER_TOKEN=${HASH}`, /"KEY="/],
    ['dollars doubled', HASH.replaceAll('$', '$$$$'), /stands twice.*dollar-doubled/],
    ['cost 03', HASH.replace('$04$', '$03$'), /60 characters, but not of a bcrypt hash/],
  ])('%s', async (_, bearer, diagnosis) => {
    onDisk(`${HASH}\nada`);
    const { code, output } = await boot({ COMFYUI_BEARER_TOKEN: bearer, COMFYUI_PASSWORD: freshPassword() });
    expect(code).toBe(78);
    expect(output).toMatch(diagnosis);
    expect(output).not.toContain(HASH.slice(7));
  });
});

describe('how a value is handed in', () => {
  const secretFile = (content: string) => {
    const path = join(deployment.folder, 'secret');
    writeFileSync(path, content);
    return path;
  };

  test('as a file, whose one trailing newline is cut', async () => {
    const hash = cheapHash(freshPassword());
    expect((await boot({ COMFYUI_BEARER_TOKEN_FILE: secretFile(`${hash}\n`) })).code).toBe(UNPROVEN);
    expect(stored()[0]).toBe(hash);
  });

  test('a second newline is not cut', async () => {
    const path = secretFile(`${cheapHash(freshPassword())}\n\n`);
    expect((await boot({ COMFYUI_BEARER_TOKEN_FILE: path })).output).toMatch(/white-space/);
  });

  test('twice: refused', async () => {
    const path = secretFile(freshPassword());
    const { code, output } = await boot({ COMFYUI_PASSWORD: freshPassword(), COMFYUI_PASSWORD_FILE: path });
    expect(code).toBe(78);
    expect(output).toMatch(/COMFYUI_PASSWORD and COMFYUI_PASSWORD_FILE are both set/);
  });

  test('empty counts as unset, in the variable and in the file', async () => {
    onDisk(`${cheapHash(freshPassword())}\nada`);
    const { code, output } = await boot({
      COMFYUI_PASSWORD: '',
      COMFYUI_BEARER_TOKEN_FILE: secretFile('\n'),
    });
    expect(code).toBe(UNPROVEN);
    expect(output).toMatch(/no credential was handed in/);
  });

  test('an alias is not read, and that is said', async () => {
    onDisk(`${cheapHash(freshPassword())}\nada`);
    const { output } = await boot({ COMFYUI_API_TOKEN: HASH });
    expect(output).toMatch(/COMFYUI_API_TOKEN is not read here: hand its value in as COMFYUI_BEARER_TOKEN/);
  });
});

describe('the files of the login node', () => {
  test('an old file counts, and is removed', async () => {
    const hash = cheapHash(freshPassword());
    const legacy = join(deployment.comfyui, 'PASSWORD');
    writeFileSync(legacy, `${hash}\nada`);
    expect((await boot({})).code).toBe(UNPROVEN);
    expect(stored()).toEqual([hash, 'ada']);
    expect(statSync(legacy, { throwIfNoEntry: false })).toBeUndefined();
  });

  test.each([
    ['CRLF', (hash: string) => `${hash}\r\nada\r\n`],
    ['blanks', (hash: string) => `${hash}  \nada`],
    ['no user name', (hash: string) => hash],
  ])('a file with %s is written canonically, for ComfyUI’s user alone', async (_, written) => {
    const hash = cheapHash(freshPassword());
    onDisk(written(hash));
    expect((await boot({})).code).toBe(UNPROVEN);
    expect(stored()).toEqual([hash, written(hash).includes('ada') ? 'ada' : 'admin']);
    expect(statSync(deployment.password).mode & 0o777).toBe(0o600);
  });

  test('guest mode goes, unless it is asked for', async () => {
    const guest = join(deployment.login, 'GUEST_MODE');
    const present = () => statSync(guest, { throwIfNoEntry: false }) !== undefined;
    onDisk(`${cheapHash(freshPassword())}\nada`);
    await boot({ GUEST_MODE_ENABLED: 'True' });
    expect(present()).toBe(true);
    await boot({});
    expect(present()).toBe(false);
  });

  test('the session key is closed to others, and renewed only when the bearer changes', async () => {
    const password = freshPassword();
    onDisk(`${cheapHash(password)}\nada`);
    const old = `${'A'.repeat(43)}=,2026-01-01T00:00:00.000000`;
    writeFileSync(deployment.key, old, { mode: 0o644 });
    await boot({ COMFYUI_PASSWORD: password });
    expect(readKey()).toBe(old);
    expect(statSync(deployment.key).mode & 0o777).toBe(0o600);
    await boot({ COMFYUI_PASSWORD: freshPassword() });
    expect(readKey()).not.toBe(old);
    expect(readKey()).toMatch(/^[A-Za-z0-9_-]{43}=,\d{4}-/);
  });

  test.each<[string, boolean, number]>([
    ['where there was none it is taken', false, UNPROVEN],
    ['where it was to be renewed it is refused', true, 74],
  ])('a session key that another container writes at the same time: %s', async (_, wasThere, exit) => {
    const key = (letter: string) => `${letter.repeat(43)}=,2026-01-01T00:00:00.000000`;
    if (wasThere) writeFileSync(deployment.key, key('A'), { mode: 0o600 });
    const racer = join(deployment.folder, 'racer.cjs');
    writeFileSync(
      racer,
      `const fs = require('node:fs');
      const { renameSync, writeFileSync } = fs;
      fs.renameSync = (from, to) => {
        renameSync(from, to);
        if (to === ${JSON.stringify(deployment.key)}) writeFileSync(to, ${JSON.stringify(key('B'))});
      };`,
    );
    const env = { COMFYUI_PASSWORD: freshPassword(), NODE_OPTIONS: `--require ${racer}` };
    const { code } = await boot(env);
    expect([code, readKey()]).toEqual([exit, key('B')]);
  });

  test('a PASSWORD that was written on the host after the key ends the old sessions, once', async () => {
    const old = `${'A'.repeat(43)}=,2026-01-01T00:00:00.000000`;
    writeFileSync(deployment.key, old, { mode: 0o600 });
    const long = new Date('2026-01-02');
    utimesSync(deployment.key, long, long);
    const password = freshPassword();
    onDisk(`${cheapHash(password)}\nada`);
    await boot({ COMFYUI_PASSWORD: password });
    const renewed = readKey();
    expect(renewed).not.toBe(old);
    await boot({ COMFYUI_PASSWORD: password });
    expect(readKey()).toBe(renewed);
  });

  test.runIf(process.getuid?.() === 0)(
    'a PASSWORD file that may not be written ends in 77',
    async (context) => {
      onDisk(`${cheapHash(freshPassword())}\nada`);
      const attribute = (sign: string) => spawnSync('chattr', [`${sign}i`, deployment.password]).status;
      context.skip(requires('a file system with attributes (chattr)', attribute('+') === 0));
      onTestFinished(() => void attribute('-'));
      const { code, output } = await boot({ COMFYUI_BEARER_TOKEN: cheapHash(freshPassword()) });
      attribute('-');
      expect(output).toMatch(/EPERM/);
      expect(code).toBe(77);
    },
  );

  test('a PASSWORD file that cannot be written ends in 74', async () => {
    const hash = cheapHash(freshPassword());
    onDisk(`${cheapHash(freshPassword())}\nada`);
    linkSync(deployment.password, join(deployment.login, 'another-name'));
    const { code, output } = await boot({ COMFYUI_BEARER_TOKEN: hash });
    expect(code).toBe(74);
    expect(output).toMatch(/hard links/);
  });
});

function readKey(): string {
  return readFileSync(deployment.key, 'utf8');
}
