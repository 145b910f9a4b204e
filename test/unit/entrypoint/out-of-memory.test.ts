import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { outOfMemoryKills } from '../../../entrypoint/out-of-memory.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cgroup-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const V1 = 'oom_kill_disable 0\nunder_oom 0\n';
const V2 = 'low 0\nhigh 12\nmax 345\noom 8\n';

/** Plants /proc/self/cgroup and files of the tree; gives what is read from them. */
function kills(cgroup: string, files: Record<string, string>): number | undefined {
  writeFileSync(join(folder, 'cgroup'), cgroup);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, 'tree', path)), { recursive: true });
    writeFileSync(join(folder, 'tree', path), content);
  }
  return outOfMemoryKills(join(folder, 'cgroup'), join(folder, 'tree'));
}

describe('how many were killed for want of memory is read', () => {
  test('of version 2, in a container: its own group is the root', () => {
    expect(kills('0::/\n', { 'memory.events': `${V2}oom_kill 3\noom_group_kill 1\n` })).toBe(3);
  });

  test('of version 2, where the group stands below others', () => {
    const files = {
      'system.slice/docker-1.scope/memory.events': `${V2}oom_kill 2\n`,
      'memory.events': `${V2}oom_kill 99\n`,
    };
    expect(kills('0::/system.slice/docker-1.scope\n', files)).toBe(2);
  });

  test('of version 2, where the path is the host’s, which is not seen from inside', () => {
    expect(kills('0::/system.slice/docker-1.scope\n', { 'memory.events': `${V2}oom_kill 4\n` })).toBe(4);
  });

  test('of version 1, in a container', () => {
    const cgroup = '12:cpuset:/docker/1\n5:memory:/docker/1\n1:name=systemd:/docker/1\n';
    expect(kills(cgroup, { 'memory/memory.oom_control': `${V1}oom_kill 5\n` })).toBe(5);
  });

  test('of version 1, below others, with a hierarchy of several controllers', () => {
    const files = { 'memory/docker/1/memory.oom_control': `${V1}oom_kill 6\n` };
    expect(kills('5:cpu,memory:/docker/1\n0::/\n', files)).toBe(6);
  });

  test('of both at once, the memory in version 1', () => {
    const files = { 'memory/a/memory.oom_control': `${V1}oom_kill 7\n` };
    expect(kills('4:memory:/a\n0::/a\n', files)).toBe(7);
  });

  test('as none where there was none', () => {
    expect(kills('0::/\n', { 'memory.events': `${V2}oom_kill 0\n` })).toBe(0);
  });
});

describe('it is not known', () => {
  test.each<[string, string, Record<string, string>]>([
    ['without any file', '0::/\n', {}],
    ['on an old kernel, which does not count', '5:memory:/\n', { 'memory/memory.oom_control': V1 }],
    ['where the file is empty', '0::/\n', { 'memory.events': '' }],
    ['where it says something else', '0::/\n', { 'memory.events': 'oom_kill many\n' }],
    ['where the list of groups is empty', '', {}],
  ])('%s', (_, cgroup, files) => {
    expect(kills(cgroup, files)).toBeUndefined();
  });

  test('without a /proc', () => {
    expect(outOfMemoryKills(join(folder, 'nowhere'), join(folder, 'nowhere'))).toBeUndefined();
  });
});

test('of this very process it can be asked', () => {
  expect(['number', 'undefined']).toContain(typeof outOfMemoryKills());
});
