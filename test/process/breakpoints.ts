import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Loaded into the program under test: counts what it does to files, the programs that it starts, and the requests that
 * it makes. At the one that is named, it kills the program, or lets the call fail.
 */
const PRELOAD = `
const { isMainThread } = require('node:worker_threads');
const fs = require('node:fs');
const told = JSON.parse(process.env.BREAK_IN ?? 'null');
delete process.env.BREAK_IN;
delete process.env.NODE_OPTIONS;
if (told !== null && isMainThread && process.argv[1]?.endsWith('.cjs')) {
  const { appendFileSync, openSync, readFileSync } = fs;
  const names = new Map();
  let step = 0;
  let begun = false;
  const meet = (label) => {
    begun ||= new RegExp(told.from ?? '').test(label);
    if (!begun) return;
    step += 1;
    appendFileSync(told.record, label + '\\n');
    const named = told.match !== undefined && new RegExp(told.match).test(label);
    const hit = named || step === told.at || (told.on && step > told.at);
    if (!hit) return;
    if (told.errno === undefined) process.kill(process.pid, 'SIGKILL');
    throw Object.assign(new Error(told.errno), { code: told.errno });
  };
  const isOurs = (path) => (String(path) + '/').startsWith(told.root);
  // Told apart by what the journal is about to say.
  const phaseOf = (text) => /"phase":"(\\w+)"/.exec(text)?.[1] ?? '';
  const about = (path) => {
    const name = String(path).slice(told.root.length);
    if (!name.endsWith('journal.new')) return name;
    try { return name + ' ' + phaseOf(readFileSync(String(path), 'utf8')); } catch { return name; }
  };
  fs.openSync = (path, ...rest) => {
    const writes = (rest[0] & 3) !== 0 && isOurs(path);
    if (writes) meet('open ' + about(path));
    const fd = openSync(path, ...rest);
    names.set(fd, String(path));
    return fd;
  };
  const byPath = ['renameSync', 'unlinkSync', 'linkSync', 'mkdirSync', 'rmSync', 'rmdirSync'];
  for (const name of byPath) {
    const real = fs[name];
    fs[name] = (path, ...rest) => {
      if (isOurs(path)) meet(name.slice(0, -4) + ' ' + about(path));
      return real(path, ...rest);
    };
  }
  for (const name of ['writeSync', 'fsyncSync', 'fchmodSync', 'fchownSync', 'ftruncateSync']) {
    const real = fs[name];
    fs[name] = (fd, ...rest) => {
      const path = names.get(fd) ?? '';
      const phase = name === 'writeSync' && Buffer.isBuffer(rest[0]) ? phaseOf(rest[0].toString()) : '';
      if (isOurs(path)) meet(name.slice(0, -4) + ' ' + about(path) + (phase && ' ' + phase));
      return real(fd, ...rest);
    };
  }
  const child = require('node:child_process');
  const { spawn } = child;
  child.spawn = (command, args, ...rest) => {
    const label = command + ' ' + args.filter((word) => !word.startsWith('/')).join(' ');
    if (told.errno === undefined) meet('before ' + label);
    const made = spawn(command, args, ...rest);
    if (told.errno === undefined) {
      made.once('spawn', () => meet('after ' + label));
      made.once('close', () => meet('end of ' + label));
    }
    return made;
  };
  const http = require('node:http');
  const { request } = http;
  http.request = (...given) => {
    if (told.errno === undefined) meet('request');
    return request(...given);
  };
}
`;

/** Where the program is broken: the step that counts as `at`, or the steps whose label matches. */
export interface Break {
  at?: number;
  /** The first step that counts: what comes before it is not always the same. */
  from?: string;
  /** All steps after `at` too. */
  on?: boolean;
  match?: string;
  /** The error that the call ends with; a kill where there is none. */
  errno?: string;
}

/** Breaks into programs that work in `root`; what it needs itself stands in `folder`, outside of it. */
export class BreakIn {
  readonly #root: string;
  readonly #preload: string;
  readonly #record: string;

  constructor(root: string, folder: string) {
    this.#root = root;
    this.#preload = join(folder, 'break-in.cjs');
    this.#record = join(folder, 'steps');
    writeFileSync(this.#preload, PRELOAD);
  }

  /** The environment of a program that is to be broken; without a point it is only recorded. */
  env(point: Break = {}): Record<string, string> {
    writeFileSync(this.#record, '');
    const told = { root: `${this.#root}/`, record: this.#record, ...point };
    return { NODE_OPTIONS: `--require ${this.#preload}`, BREAK_IN: JSON.stringify(told) };
  }

  /** The steps of the last program, in order. */
  get steps(): string[] {
    return readFileSync(this.#record, 'utf8').split('\n').filter(Boolean);
  }
}
