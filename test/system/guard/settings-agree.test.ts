import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkGuardVariables } from '../../../entrypoint/guard/settings.ts';
import { formatPasswordFile } from '../../../src/locations/password-file.ts';
import { isUsableUsername } from '../../../src/model/credential.ts';
import { Secret } from '../../../src/model/secret.ts';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { PYTHON, withoutPython } from './python.ts';

const root = resolve(import.meta.dirname, '..', '..', '..');

/** Says of each pair of a variable and its value, and of each PASSWORD in hex, whether the guard takes it. */
const JUDGE = `
import json, os, sys, tempfile, types
sys.path.insert(0, sys.argv[1])
package = types.ModuleType("guard")
package.__path__ = [sys.argv[1]]
sys.modules["guard"] = package
from guard.credential import read_credential
from guard.faults import Unsafe
from guard.settings import read_settings
def takes(given):
    try:
        if isinstance(given, list):
            read_settings(dict([given]))
        else:
            with tempfile.NamedTemporaryFile() as file:
                file.write(bytes.fromhex(given))
                file.flush()
                read_credential(file.name)
        return True
    except Unsafe:
        return False
print(json.dumps([takes(given) for given in json.load(sys.stdin)]))
`;

type Pair = [name: string, value: string];

function byGuard(given: readonly (Pair | string)[]): boolean[] {
  const folder = join(root, 'image', 'guard');
  const options = { input: JSON.stringify(given), encoding: 'utf8' } as const;
  const { stdout, stderr } = spawnSync(PYTHON, ['-B', '-c', JUDGE, folder], options);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

function byEntrypoint([name, value]: Pair): boolean {
  try {
    checkGuardVariables({ [name]: value });
    return true;
  } catch {
    return false;
  }
}

const VALUES: Record<string, string[]> = {
  MAX_LOGIN_ATTEMPTS: ['1', '3', ' 3 ', '03', '1000', '0', '1001', '-1', '+3', '3.0', '1e2', '0x3', '٣', '³'],
  SESSION_EXPIRE_HOURS: ['24', '0.5', '8760', ' 1 ', '0.0', '0', '8760.1', '.5', '5.', '1e3', '24h', 'inf'],
  TRUSTED_PROXIES: [
    ...[
      '10.0.0.5',
      '10.0.0.5,fd00::/8 172.18.3.4/16',
      ', 10.0.0.5 ,,',
      '0.0.0.0/0',
      '::/0',
      '::ffff:10.0.0.5',
    ],
    ...['proxy', '*', '10.0.0', '10.0.0.256', '010.0.0.1', '10.0.0.0/33', '10.0.0.0/-1'],
    ...['10.0.0.0/08', '10.0.0.0/', '/8', '[::1]', '::1/129', '10.0.0.1:80'],
    ...['::ffff:10.0.0.0/104', '10', '１0.0.0.1'],
  ],
  RELOAD_GRACE: [
    '0',
    '30',
    '10s',
    '2m',
    '1h',
    '500ms',
    '1.5s',
    ' 5s ',
    '3600',
    '3601',
    '61m',
    '2h',
    '-1s',
    '10 s',
    '10S',
    '1d',
  ],
  METRICS_TOKEN: [
    'm'.repeat(16),
    ` ${'m'.repeat(16)} `,
    'm'.repeat(15),
    `${'m'.repeat(8)} ${'m'.repeat(8)}`,
    'é'.repeat(16),
  ],
  ...Object.fromEntries(
    ['BEARER_PASSWORD', 'QUERY_TOKEN', 'KEEP_SESSIONS'].map((name) => [
      name,
      ['true', 'FALSE', '1', '0', 'yes', 'No', 'on', 'OFF', ' on ', 'maybe', '2', 't', 'enabled'],
    ]),
  ),
};
/** What one side or the other takes for a blank, or for the end of a line. */
const ODD = [
  ...' \t\x0b\x1c\x1f\x7f\x80\x85\u00a0\u1680\u180e\u2007\u200b\u2028\u2029\u3000\ufeff',
  'ada',
  '\n',
  '\r',
];

const pairs = Object.entries(VALUES).flatMap(([name, values]) =>
  ['', ...values].map((value): Pair => [name, value]),
);

describe.skipIf(withoutPython())('the entrypoint and the guard', () => {
  test('take the same values', () => {
    const guard = byGuard(pairs);
    expect(guard).toContain(false);
    const differing = pairs.filter((pair, index) => byEntrypoint(pair) !== guard[index]);
    expect(differing.map((pair) => pair.join('='))).toEqual([]);
  });

  // The guard would end ComfyUI over it, after all else was loaded.
  test('whatever the entrypoint lets pass, the guard takes', () => {
    const piece = fc.constantFrom(
      ...' ,./:-+%shmMe0123456789',
      '10.0.0.1',
      'fd00::',
      '/8',
      'on',
      'ms',
      'é',
      '\t',
    );
    const value = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''));
    const any = fc.sample(fc.tuple(fc.constantFrom(...Object.keys(VALUES)), value), 20_000);
    const passed = any.filter(byEntrypoint);
    expect(passed.length).toBeGreaterThan(100);
    const guard = byGuard(passed);
    expect(passed.filter((_, index) => !guard[index])).toEqual([]);
  });

  test('whatever user name the entrypoint writes, the guard reads', () => {
    const bearer = new Secret(cheapHash(freshSecret()));
    const character = fc.oneof(fc.string({ unit: 'binary', maxLength: 1 }), fc.constantFrom(...ODD));
    const any = fc.sample(fc.array(character, { maxLength: 6 }), 5000).map((parts) => parts.join(''));
    const names = [...any, 'x'.repeat(5000), 'ü'.repeat(2500)].filter(isUsableUsername);
    expect(names.length).toBeGreaterThan(500);
    const guard = byGuard(names.map((name) => formatPasswordFile(bearer, name).toString('hex')));
    expect(names.filter((_, index) => !guard[index])).toEqual([]);
  });
});
