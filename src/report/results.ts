import { type Finding, reaches } from '../model/finding.ts';
import { shortPath } from './place.ts';
import { columns, countText, findingsText, styled, type TextOptions } from './text.ts';

/** The shapes that are rendered here: what `commands/` gives, as far as words need it. */
interface AuditShape {
  status: string;
  services: readonly {
    name: string;
    fingerprint?: string;
    pair: string;
    locations: readonly { path: string; key?: string; holds: string; state: string; fingerprint?: string }[];
  }[];
  findings: readonly Finding[];
}

interface SyncShape {
  status: string;
  services: readonly (FilesShape & { name: string })[];
  findings: readonly Finding[];
  backup: string | null;
  recovered?: { action: string; command: string };
}

export interface CheckShape {
  id: string;
  verdict: string;
  httpStatus?: number;
  ms: number;
  detail?: string;
}

interface ExplainShape {
  file: string;
  readers: Record<string, Record<string, { asMeant: boolean; length?: number; value?: string }>>;
  rejected: Record<string, { line: number; reason: string }>;
}

const STATE_STYLE: Record<string, Parameters<typeof styled>[0]> = {
  ok: 'green',
  pass: 'green',
  proved: 'green',
  unknown: 'yellow',
  skip: 'dim',
};

/** A state or verdict in its colour, padded. */
export const stateWord = (state: string, width: number, options: TextOptions) =>
  styled(STATE_STYLE[state] ?? 'red', state.padEnd(width), options);

const closing = (findings: readonly Finding[], clean: string) =>
  findings.length === 0 ? clean : countText(findings);

const CLEAN = 'clean: every location agrees';

/** `audit` as people read it: a table location × state for each service, then the findings. */
export function auditText(result: AuditShape, options: TextOptions): string[] {
  const tables = result.services.flatMap(({ name, fingerprint, pair, locations }) => {
    const bearer = fingerprint === undefined ? 'bearer unknown' : `bearer ${fingerprint}`;
    const width = Math.max(...locations.map((one) => one.state.length));
    const rows = columns(
      locations.map(({ path, key, holds, fingerprint: own }) => [
        `${shortPath(path, options.root)}${key === undefined ? '' : ` ${key}`}`,
        holds,
        own ?? '',
      ]),
      '',
    );
    return [
      `${styled('bold', name, options)}  ${bearer}  pair ${pair}`,
      ...rows.map((row, i) => `  ${stateWord(locations[i]?.state ?? '', width, options)}  ${row}`),
      '',
    ];
  });
  const findings = findingsText(result.findings, options);
  const gap = findings.length > 0 ? [''] : [];
  const clean = result.status === 'unknown' ? 'unknown: no credential to compare with' : CLEAN;
  return [...tables, ...findings, ...gap, closing(result.findings, clean)];
}

const BEARER_WORDS: Record<string, string> = {
  derived: 'a bearer derived from the secret key',
  new: 'a new random bearer',
};

/** What an interrupted command had left, and what became of it. */
export function recoveredLines(recovered: { action: string; command: string } | undefined): string[] {
  if (recovered === undefined) return [];
  const done = recovered.action === 'rolled-back' ? 'put back' : 'cleaned up';
  return [`an interrupted "${recovered.command}" was ${done} first`];
}

export interface FilesShape {
  bearerFrom: string;
  files: readonly { path: string; action: string; keys: readonly string[] }[];
}

/** What each file of a service needed. */
export function fileLines({ files, bearerFrom }: FilesShape, options: TextOptions): string[] {
  const rows = files.map(({ path, action, keys }) => [
    action === 'none' ? 'as it is' : action,
    shortPath(path, options.root),
    keys.join(', '),
  ]);
  const bearer = BEARER_WORDS[bearerFrom];
  const warning =
    bearer === undefined ? [] : [`  with ${bearer}: clients that hold the old one will be refused`];
  return [...columns(rows), ...warning];
}

/** `sync` as people read it: what each file needed, then what is left to look at. */
export function syncText(result: SyncShape, options: TextOptions): string[] {
  const lines = recoveredLines(result.recovered);
  for (const service of result.status === 'refused' ? [] : result.services) {
    lines.push(styled('bold', service.name, options), ...fileLines(service, options));
  }
  lines.push(...findingsText(result.findings, options), '');
  const grave = result.findings.some((one) => reaches(one.severity, 'error'));
  const outcome: Record<string, string> = {
    changed: `changed; the old files are kept as ${result.backup ?? ''}`,
    unchanged: grave
      ? 'unchanged: nothing that sync could mend'
      : 'unchanged: every location holds the credential',
    planned: 'planned: nothing was written',
    refused: 'refused: nothing was written',
  };
  lines.push(outcome[result.status] ?? result.status);
  return lines;
}

const CHECK_WORDS: Readonly<Record<string, string>> = {
  anonymous: 'without a credential: refused',
  'empty-token': '"?token=" empty: refused',
  'wrong-bearer': 'a random bearer: refused',
  bearer: 'the bearer: accepted',
  'login-page': 'the login page: no first visit, no guests',
  suffix: 'paths that end in .js: closed',
  password: 'the form, right password: accepted',
  'wrong-password': 'the form, wrong password: refused',
};

/** Checks with their verdicts, a line each. */
export function checkLines(checks: readonly CheckShape[], options: TextOptions): string[] {
  return checks.map(({ id, verdict, httpStatus, ms, detail }) => {
    const facts = [httpStatus, verdict === 'skip' ? undefined : `${Math.round(ms)} ms`, detail];
    const known = facts.filter((one) => one !== undefined && one !== '').join(', ');
    return `  ${stateWord(verdict, 7, options)}  ${CHECK_WORDS[id] ?? id}${known === '' ? '' : `  (${known})`}`;
  });
}

/** `explain` as people read it: a table key × reader. */
export function explainText(result: ExplainShape, options: TextOptions): string[] {
  const keys = [...new Set(Object.values(result.readers).flatMap((one) => Object.keys(one)))];
  const names = Object.keys(result.readers);
  const cell = (one: ExplainShape['readers'][string][string] | undefined) => {
    if (one === undefined) return 'nothing';
    if (one.value !== undefined) return JSON.stringify(one.value);
    const length = one.length === undefined ? '' : ` (${one.length} characters)`;
    return one.asMeant ? `as meant${length}` : `NOT as meant${length}`;
  };
  const table = [
    ['', ...names],
    ...keys.map((key) => [key, ...names.map((name) => cell(result.readers[name]?.[key]))]),
  ];
  const rejected = Object.entries(result.rejected).map(
    ([name, { line, reason }]) => `${name} refuses the whole file at line ${line}: ${reason}`,
  );
  return [
    styled('bold', shortPath(result.file, options.root), options),
    ...(names.length > 0 ? columns(table) : []),
    ...rejected,
  ];
}

interface InitShape {
  status: string;
  file: string;
  text: string;
}

/** `init` as people read it: the layout, and where it stands now. */
export function initText(result: InitShape, options: TextOptions): string[] {
  const file = shortPath(result.file, options.root);
  if (result.status === 'planned') return [result.text.trimEnd()];
  return [
    result.status === 'created'
      ? `wrote ${file}; check it, then: comfyui-auth audit`
      : `${file} says so already`,
  ];
}

interface StepShape {
  title: string;
  verified: boolean;
  seen: readonly string[];
  ms: number;
}

/** One step of `demo`, when it is done. */
export function demoStepText(step: StepShape, number: number, of: number, options: TextOptions): string[] {
  const verdict = step.verified
    ? styled('green', 'verified', options)
    : styled('red', 'NOT verified', options);
  return [
    `${number}/${of}  ${styled('bold', step.title, options)}  ${verdict}  (${(step.ms / 1000).toFixed(1)} s)`,
    ...step.seen.map((line) => `     ${line}`),
  ];
}

/** The last line of `demo`. */
export function demoText(
  result: { status: string; steps: readonly StepShape[] },
  options: TextOptions,
): string[] {
  const verified = result.status === 'verified';
  const words = verified ? 'every step was verified; nothing was left behind' : 'the demonstration failed';
  return ['', styled(verified ? 'green' : 'red', words, options)];
}
