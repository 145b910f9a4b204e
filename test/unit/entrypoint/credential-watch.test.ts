import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CredentialWatch, credentialFiles } from '../../../entrypoint/credential-watch.ts';
import { Notices, placesOf } from '../../../entrypoint/notices.ts';
import { systemClock } from '../../../src/platform/clock.ts';

let folder: string;
let password: string;
let bearer: string;
let watched: CredentialWatch;
let told: number;

// Time is made to pass without a turn of the event loop: no notice of the system comes in, and polling is on its own.
beforeEach(() => {
  vi.useFakeTimers();
  folder = mkdtempSync(join(tmpdir(), 'credential-watch-'));
  [password, bearer] = [join(folder, 'password'), join(folder, 'bearer')];
  writeFileSync(password, 'one');
  writeFileSync(bearer, 'eins');
  told = 0;
  watched = new CredentialWatch([password, bearer], systemClock, () => {
    told++;
  });
});
afterEach(() => {
  watched.close();
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

const pass = (ms: number) => vi.advanceTimersByTime(ms);

/** Until the next look, and a little longer than what was seen then has to stand. */
const LOOK = 250;
const SETTLED = LOOK + 60;

describe('a change', () => {
  test.each<[string, () => void]>([
    ['in place', () => writeFileSync(password, 'two')],
    ['of the last character alone', () => writeFileSync(password, 'onE')],
    ['by a rename', () => replace(password, 'two')],
    ['of the second file', () => writeFileSync(bearer, 'zwei')],
  ])('is told once: %s', (_, change) => {
    change();
    pass(LOOK);
    expect(told).toBe(0);
    pass(60);
    expect(told).toBe(1);
    pass(10_000);
    expect(told).toBe(1);
  });

  test.each<[string, () => void]>([
    ['to the same', () => replace(password, 'one')],
    ['of a line end behind it', () => writeFileSync(password, 'one\n')],
    ['of its mode', () => chmodSync(password, 0o400)],
  ])('that is none is not told: %s', (_, change) => {
    change();
    pass(10_000);
    expect(told).toBe(0);
  });

  test('that goes on and on is told once it has come to rest', () => {
    for (let step = 1; step <= 50; step++) {
      writeFileSync(password, 'x'.repeat(step));
      pass(40);
    }
    expect(told).toBe(0);
    pass(SETTLED);
    expect(told).toBe(1);
  });

  test('that is taken back at once is not told', () => {
    writeFileSync(password, 'two');
    pass(LOOK);
    writeFileSync(password, 'one');
    pass(10_000);
    expect(told).toBe(0);
  });

  test.each<[string, () => void]>([
    ['empty', () => writeFileSync(password, '')],
    ['gone', () => rmSync(password)],
    ['a link to nowhere', () => replaceByLink(password)],
  ])('to nothing has to stand for two seconds: %s', (_, lose) => {
    lose();
    pass(LOOK + 1900);
    expect(told).toBe(0);
    pass(200);
    expect(told).toBe(1);
  });

  test('to nothing for a moment is not told, and what comes after it is, as quickly as ever', () => {
    rmSync(password);
    pass(1000);
    writeFileSync(password, 'one');
    pass(5000);
    expect(told).toBe(0);
    rmSync(password);
    pass(1000);
    writeFileSync(password, 'two');
    pass(SETTLED);
    expect(told).toBe(1);
  });

  test('through the links of Kubernetes', () => {
    for (const day of ['..monday', '..tuesday']) {
      mkdirSync(join(folder, day));
      writeFileSync(join(folder, day, 'token'), day);
    }
    symlinkSync('..monday', join(folder, '..data'));
    symlinkSync(join('..data', 'token'), join(folder, 'token'));
    let swapped = 0;
    const links = new CredentialWatch([join(folder, 'token')], systemClock, () => {
      swapped++;
    });
    symlinkSync('..tuesday', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    pass(SETTLED);
    links.close();
    expect(swapped).toBe(1);
  });

  test('is told no longer once it is closed', () => {
    writeFileSync(password, 'two');
    pass(LOOK);
    watched.close();
    pass(10_000);
    expect(told).toBe(0);
  });
});

describe('what is taken', () => {
  test('is not told any more, and was not told of where it had only just been written', () => {
    writeFileSync(password, 'two');
    expect(watched.take()).toBeUndefined();
    pass(10_000);
    expect(told).toBe(0);
  });

  test('stood since it was first seen', () => {
    const before = systemClock.monotonicMs();
    writeFileSync(password, 'two');
    pass(SETTLED);
    const since = watched.take() ?? Number.NaN;
    expect(since - before).toBe(LOOK);
    expect(watched.take()).toBeUndefined();
  });

  test('is in doubt where something else is in use: then it is told', () => {
    watched.doubt();
    pass(SETTLED);
    expect(told).toBe(1);
    watched.take();
    pass(10_000);
    expect(told).toBe(1);
  });
});

describe('what is to be done once it stands', () => {
  let done: number;
  beforeEach(() => {
    done = 0;
    writeFileSync(password, 'two');
    pass(SETTLED);
    watched.onceItStands(watched.take() ?? Number.NaN, () => {
      done++;
    });
  });

  test('is done two seconds after the change', () => {
    pass(1900);
    expect(done).toBe(0);
    pass(100);
    expect(done).toBe(1);
    pass(10_000);
    expect(done).toBe(1);
  });

  test('is not done where another change comes before', () => {
    writeFileSync(bearer, 'zwei');
    pass(10_000);
    expect([told, done]).toEqual([2, 0]);
  });

  test('is not done while another change is on its way', () => {
    pass(1930);
    writeFileSync(bearer, 'zwei');
    pass(10_000);
    expect([told, done]).toEqual([2, 0]);
  });

  test('is not done where another change comes to rest at that very moment', () => {
    writeFileSync(password, 'three');
    pass(200);
    writeFileSync(password, 'four');
    pass(100);
    watched.onceItStands(watched.take() ?? Number.NaN, () => {
      done++;
    });
    pass(1880);
    writeFileSync(bearer, 'zwei');
    pass(10_000);
    expect([told, done]).toEqual([3, 0]);
  });

  test('is done after a change that was taken back', () => {
    pass(1930);
    rmSync(bearer);
    pass(100);
    writeFileSync(bearer, 'eins');
    pass(1000);
    expect([told, done]).toEqual([1, 1]);
  });

  test('is not done after the end', () => {
    watched.close();
    pass(10_000);
    expect(done).toBe(0);
  });
});

test('the places are the folders of the file and of every link on the way, and the file that they lead to', () => {
  const [there, elsewhere] = [join(folder, 'there'), join(folder, 'elsewhere')];
  for (const path of [there, elsewhere]) mkdirSync(path);
  writeFileSync(join(elsewhere, 'token'), 'x');
  symlinkSync(elsewhere, join(there, '..data'));
  symlinkSync('..data/token', join(there, 'token'));
  const file = join(elsewhere, 'token');
  expect(placesOf([join(there, 'token'), password])).toEqual([there, elsewhere, file, folder, password]);
});

test('links in a circle have an end', () => {
  symlinkSync('b', join(folder, 'a'));
  symlinkSync('a', join(folder, 'b'));
  expect(placesOf([join(folder, 'a')])).toEqual([folder]);
});

test('where nothing can be watched nothing is said, and nothing breaks', () => {
  symlinkSync('loop', join(folder, 'loop'));
  const notices = new Notices(() => undefined);
  for (const place of [
    join(folder, 'loop'),
    join(folder, 'missing'),
    join(password, 'below'),
    'x'.repeat(5000),
  ]) {
    notices.watch([place]);
  }
  notices.close();
});

test('of what is written under another name, as into the source of a mount, there is a notice', async () => {
  vi.useRealTimers();
  const [there, elsewhere] = [join(folder, 'there'), join(folder, 'elsewhere')];
  for (const path of [there, elsewhere]) mkdirSync(path);
  const file = join(there, 'file');
  writeFileSync(file, 'one');
  linkSync(file, join(elsewhere, 'name'));
  let notices: Notices | undefined;
  const noticed = new Promise<void>((resolve) => {
    notices = new Notices(resolve);
    notices.watch(placesOf([file]));
  });
  writeFileSync(join(elsewhere, 'name'), 'two');
  // It keeps no process alive: what waits for it has to.
  const alive = setInterval(() => undefined, 1000);
  await noticed.finally(() => clearInterval(alive));
  notices?.close();
});

test('the files are those of every part of a credential, and of the secret key', () => {
  const names = ['USERNAME', 'PASSWORD', 'BEARER_TOKEN', 'AUTH_SECRET_KEY'].map((name) => `COMFYUI_${name}`);
  const env = Object.fromEntries(
    [...names, 'SECRET_KEY', 'OTHER'].map((name) => [`${name}_FILE`, `/${name}`]),
  );
  expect(credentialFiles(env)).toEqual([...names, 'SECRET_KEY'].map((name) => `/${name}`));
  expect(credentialFiles({ COMFYUI_PASSWORD: 'x', COMFYUI_BEARER_TOKEN_FILE: '' })).toEqual([]);
});

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

function replaceByLink(path: string): void {
  rmSync(path);
  symlinkSync('nowhere', path);
}
