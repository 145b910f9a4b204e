// Runs a program under strace, and reads which of its calls touched a tree.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Calls that change something, or that a change depends on. `?`: not every architecture has it. */
const CHANGING = [
  'open',
  'openat',
  'creat',
  'write',
  'pwrite64',
  'writev',
  'pwritev',
  'fsync',
  'fdatasync',
  'close',
  'ftruncate',
  'rename',
  'renameat',
  'renameat2',
  'link',
  'linkat',
  'unlink',
  'unlinkat',
  'mkdir',
  'mkdirat',
  'rmdir',
  'chmod',
  'fchmod',
  'fchmodat',
  'chown',
  'fchown',
  'fchownat',
  'symlink',
  'symlinkat',
  'truncate',
  'fallocate',
];
/** Calls that only look: a kill there is a kill at the next change, but an error there is one of its own. */
const LOOKING = [
  'read',
  'pread64',
  'statx',
  'newfstatat',
  'fstat',
  'lstat',
  'stat',
  'getdents64',
  'access',
  'faccessat',
];

const isChanging = (call) => CHANGING.includes(call.name);
const TRACED = [...CHANGING, ...LOOKING].map((name) => `?${name}`).join(',');

const RUN_LIMIT_MS = 20_000;

/** Ends with the child; after the limit its whole group is killed, since strace leaves what it traced behind. */
function ended(child) {
  return new Promise((resolve, reject) => {
    let stderr = '';
    let hung = false;
    const limit = setTimeout(() => {
      hung = true;
      process.kill(-child.pid, 'SIGKILL');
    }, RUN_LIMIT_MS);
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      resolve({ code, signal: hung ? 'hung' : signal, stderr });
    });
  });
}

/** Runs a command to its end; `inject` is an expression of strace, `record` the file for its calls. */
export function run(argv, { inject, record, env = {} } = {}) {
  const traced =
    record === undefined
      ? argv
      : [
          'strace',
          '-f',
          '-qq',
          '-y',
          '-s',
          '0',
          '-o',
          record,
          '-e',
          'signal=none',
          '-e',
          `trace=${TRACED}`,
          ...(inject === undefined ? [] : ['-e', `inject=${inject}`]),
          ...argv,
        ];
  const [command, ...args] = traced;
  const child = spawn(command, args, {
    // Without io_uring every call is one that strace sees.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, UV_USE_IO_URING: '0', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  return ended(child);
}

const LINE = /^(\d+) +([a-z]\w+)\((.*)$/;
const RANDOM = /[0-9a-f]{16}(?=\.(new|old))|\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}/g;

/**
 * The calls of the main thread, in order, each with its ordinal among those of its name: strace counts `when=`
 * per thread and name. `tree`: whether the call touched the tree, `nth`: as which of those.
 */
export function readRecord(record, root) {
  const lines = readFileSync(record, 'utf8').split('\n');
  const main = lines[0]?.split(' ')[0];
  const counts = new Map();
  const count = (key) => {
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts.get(key);
  };
  const calls = [];
  for (const line of lines) {
    const [, pid, name, rest] = LINE.exec(line) ?? [];
    if (pid !== main) continue;
    const tree = rest.includes(`${root}/`) || rest.includes(`${root}>`) || rest.includes(`${root}"`);
    calls.push({
      name,
      ordinal: count(name),
      tree,
      nth: tree ? count('tree') : 0,
      text: `${name}(${rest}`
        .replaceAll(root, 'TREE')
        .replaceAll(RANDOM, '*')
        .replace(/ +<unfinished.*| += .*$/, ''),
      failed: / = -1 /.test(rest),
      injected: rest.includes('(INJECTED)'),
    });
  }
  return calls;
}

/** The calls at which to break in: those that touch the tree, from the marker on where there is one. */
export function points(calls, { looking = false, marker } = {}) {
  const start = marker === undefined ? 0 : calls.findIndex((call) => call.text.includes(marker)) + 1;
  if (marker !== undefined && start === 0) throw new Error(`the record has no call that names ${marker}`);
  return calls.slice(start).filter((call) => call.tree && (looking || isChanging(call)));
}
