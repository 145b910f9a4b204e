import { spawnSync } from 'node:child_process';

/** The middle of several figures. */
export function median(figures) {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** The figure that this share of them does not exceed. */
export function quantile(figures, share) {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1];
}

/** Milliseconds that a call takes. */
export function timed(call) {
  const start = performance.now();
  call();
  return performance.now() - start;
}

/** The medians of several calls, measured in turn, so that a slow moment of the machine hits all of them alike. */
export function sideBySide(rounds, ...calls) {
  const figures = calls.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, call] of calls.entries()) figures[i].push(timed(call));
  }
  return figures.map(median);
}

/** Runs a Node program to its end; throws where it does not end with one of the codes. */
export function runNode(args, { codes = [0], env = {} } = {}) {
  const result = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    maxBuffer: 256 * 1024 * 1024,
  });
  if (!codes.includes(result.status))
    throw new Error(`${args.join(' ')}: ${result.status}\n${result.stderr}`);
  return result;
}

const lines = [];

/** Notes one figure with its bound; the bench fails in the end where any does not hold. */
export function report(what, figure, bound, unit = '×') {
  const good = figure <= bound;
  lines.push(good);
  console.log(`${good ? 'ok  ' : 'OVER'}  ${what}: ${figure.toFixed(2)} ${unit} (bound ${bound} ${unit})`);
}

export const allHold = () => lines.every(Boolean);
