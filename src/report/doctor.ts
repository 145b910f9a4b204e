import { type Finding, reaches } from '../model/finding.ts';
import { wordsOf } from './messages.ts';
import { stateWord } from './results.ts';
import { findingsText, styled, type TextOptions } from './text.ts';

/** What `commands/` gives, as far as words need it. */
interface DoctorShape {
  status: string;
  exitCode: number;
  services: readonly {
    name: string;
    url: string;
    steps: readonly { id: string; verdict: string; evidence: string }[];
    cause: string | null;
  }[];
  findings: readonly Finding[];
}

const TITLES: Readonly<Record<string, string>> = {
  engine: 'engine',
  container: 'container',
  mounts: 'checkout',
  port: 'port',
  http: 'answers',
  guard: 'guard',
  'login-node': 'login node',
  protected: 'kept out',
  'empty-token': '"?token=" empty',
  suffix: 'paths in .js',
  bearer: 'bearer',
  form: 'login form',
  guest: 'guests',
  origin: 'origin',
  environment: 'environment',
  process: 'process',
};

const WIDTH = Math.max(...Object.values(TITLES).map((title) => title.length));

/** The finding that a service's cause is. */
function causeOf(result: DoctorShape, name: string, code: string): Finding | undefined {
  const mine = result.findings.filter((one) => one.service === name && one.code === code);
  return mine.find((one) => reaches(one.severity, 'error')) ?? mine[0];
}

/** The first cause with its remedy, and every hole that stands open beside it. */
function conclusion(result: DoctorShape, name: string, code: string, options: TextOptions): string[] {
  const cause = causeOf(result, name, code);
  if (cause === undefined) return [];
  const { message, remedy } = wordsOf(cause, options);
  const mine = result.findings.filter((one) => one.service === name && one !== cause);
  const holes = mine.filter((one) => one.severity === 'critical');
  const rest = mine.filter((one) => !holes.includes(one)).map((one) => one.code);
  return [
    styled('bold', `cause: ${code}`, options),
    `    ${message}`,
    `    ${styled('cyan', '→', options)} ${remedy}`,
    ...findingsText(holes, options),
    ...(rest.length === 0 ? [] : [`also seen: ${[...new Set(rest)].join(', ')}`]),
  ];
}

/** What is said where no step is at fault. */
function noCause(unknown: readonly string[], findings: readonly Finding[], options: TextOptions): string[] {
  const well = findings.length === 0 ? 'healthy: nothing is wrong' : 'healthy, but for what is said above';
  const said =
    unknown.length === 0
      ? styled('green', well, options)
      : styled('yellow', `unknown: could not look at ${unknown.join(', ')}`, options);
  return [...findingsText(findings, options), said];
}

/** `doctor` as people read it: a line a step, then the first cause and what to do about it. */
export function doctorText(result: DoctorShape, options: TextOptions): string[] {
  return result.services.flatMap(({ name, url, steps, cause }) => {
    const unknown = steps.filter((one) => one.verdict === 'unknown').map(({ id }) => TITLES[id] ?? id);
    const mine = result.findings.filter((one) => one.service === name);
    return [
      `${styled('bold', name, options)}  ${url}`,
      ...steps.map(({ id, verdict, evidence }) => {
        const title = (TITLES[id] ?? id).padEnd(WIDTH);
        return `  ${stateWord(verdict, 7, options)}  ${title}  ${evidence}`;
      }),
      '',
      ...(cause === null ? noCause(unknown, mine, options) : conclusion(result, name, cause, options)),
    ];
  });
}
