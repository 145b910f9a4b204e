import { isAbsolute, relative } from 'node:path';
import type { Failure } from '../model/failure.ts';
import { type Finding, reaches, type Severity } from '../model/finding.ts';
import { liesIn } from '../model/path.ts';
import { endText, renewalText } from './deploy.ts';
import { type Deployment, wordsOf } from './messages.ts';
import { placeText, shortPath } from './place.ts';

/** Neutralises what a runner would take for a command in foreign text (reliability.md §4). */
export function neutral(text: string): string {
  return text.replaceAll('##[', '# #[').replaceAll('::', ': :').replaceAll('\r', ' ');
}

export interface Annotation {
  level: 'notice' | 'warning' | 'error';
  title: string;
  message: string;
  /** Relative to the workspace; absent where the file lies outside it. */
  file?: string;
  line?: number;
}

const LEVELS: Record<Severity, Annotation['level']> = {
  info: 'notice',
  warning: 'warning',
  error: 'error',
  critical: 'error',
};

/** Where a run of the action takes place. */
export interface Whereabouts extends Deployment {
  /** The folder that annotations are relative to. */
  workspace: string | undefined;
}

/** Where an annotation points: into the workspace, for nothing else is shown. */
function pointAt(
  { path, line }: { path: string; line?: number },
  workspace: string | undefined,
): Pick<Annotation, 'file' | 'line'> {
  // A server and a container have a name instead of a path.
  const inWorkspace = isAbsolute(path) && workspace !== undefined && liesIn(path, workspace);
  const file = inWorkspace ? relative(workspace, path) : '';
  return file === '' ? {} : { file, ...(line !== undefined && { line }) };
}

/** A finding as an annotation at its file and line. */
export function annotationOf(finding: Finding, where: Whereabouts): Annotation {
  const { message, remedy } = wordsOf(finding, where);
  return {
    level: LEVELS[finding.severity],
    title: neutral(finding.code),
    message: neutral(`${message}\n→ ${remedy}`),
    ...pointAt(finding.location ?? { path: where.root }, where.workspace),
  };
}

/** A failure as an annotation at its file and line. */
export function failureAnnotation(
  { message, remedy, location }: Failure,
  workspace: string | undefined,
): Pick<Annotation, 'message' | 'file' | 'line'> {
  return {
    message: neutral(`${message}\n→ ${remedy}`),
    ...(location !== undefined && pointAt(location, workspace)),
  };
}

/** Text as it can stand in a cell of the summary, which is HTML inside Markdown. */
function cell(text: string): string {
  return neutral(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (tag: string, cells: readonly string[]) =>
    `<tr>${cells.map((text) => `<${tag}>${cell(text)}</${tag}>`).join('')}</tr>`;
  return `<table>${row('th', head)}${rows.map((cells) => row('td', cells)).join('')}</table>\n`;
}

/** What the summary shows of a service, whatever the command was. */
interface SummaryService {
  name: string;
  fingerprint?: string;
  envFile?: string;
  readyAfterMs?: number;
  locations?: readonly { path: string; key?: string; holds: string; state: string; fingerprint?: string }[];
  files?: readonly { path: string; action: string; keys: readonly string[] }[];
  checks?: readonly { id: string; verdict: string; httpStatus?: number; ms: number }[];
  restart?: { driver: string; action: string };
  rolledBack?: boolean;
}

export interface SummaryShape {
  command: string;
  status: string;
  root: string;
  layout?: string;
  services: readonly SummaryService[];
  findings: readonly Finding[];
  backup?: string | null;
  /** The command that was cut off, and is finished now. */
  interrupted?: string;
}

/** How a command ends that has not done what it was to do. */
const NOT_DONE = new Set(['rolled-back', 'stopped', 'failed', 'refused']);

/** Whether what was planned for a service's files does not stand. */
export function isUndone(status: string, { files = [] }: SummaryService): boolean {
  return NOT_DONE.has(status) && files.some((one) => one.action !== 'none');
}

/** Why a command has not done what it was to do; undefined where it has. */
function reasonOf({ status, findings }: Pick<SummaryShape, 'status' | 'findings'>): Finding | undefined {
  return NOT_DONE.has(status) ? findings.find((one) => reaches(one.severity, 'error')) : undefined;
}

/** The line with which a step fails. */
export function failureLine(result: {
  command: string;
  status: string;
  exitCode: number;
  findings: readonly Finding[];
}): string {
  const { command, status, exitCode } = result;
  const reason = reasonOf(result);
  const why = reason === undefined ? '' : `: ${reason.code}`;
  return neutral(`comfyui-auth ${command}: ${status} (exit code ${exitCode})${why}`);
}

function serviceSummary(service: SummaryService, { root, status }: SummaryShape): string {
  const { name, fingerprint, restart, rolledBack = false } = service;
  const undone = isUndone(status, service);
  const bearer = fingerprint === undefined || undone ? '' : ` · bearer ${fingerprint}`;
  const parts = [`<h4>${cell(name + bearer)}</h4>\n`];
  if (restart !== undefined && status !== 'refused') {
    parts.push(`<p>${cell(renewalText({ ...service, restart, rolledBack }, status))}</p>\n`);
  }
  if (service.locations !== undefined) {
    const rows = service.locations.map(({ path, key, holds, state, fingerprint }) => [
      state === 'ok' ? '✅ ok' : state === 'unknown' ? '❔ unknown' : `❌ ${state}`,
      `${shortPath(path, root)}${key === undefined ? '' : ` ${key}`}`,
      holds,
      fingerprint ?? '',
    ]);
    parts.push(table(['state', 'location', 'holds', 'fingerprint'], rows));
  }
  if (service.files !== undefined) {
    const rows = service.files.map(({ path, action, keys }) => [
      undone && action !== 'none' ? (status === 'refused' ? 'not written' : 'put back') : action,
      shortPath(path, root),
      keys.join(', '),
    ]);
    parts.push(table(['action', 'file', 'keys'], rows));
  }
  if (service.checks !== undefined) {
    const rows = service.checks.map(({ id, verdict, httpStatus, ms }) => [
      verdict === 'pass' ? '✅ pass' : verdict,
      id,
      String(httpStatus ?? ''),
      `${Math.round(ms)} ms`,
    ]);
    parts.push(table(['verdict', 'check', 'HTTP', 'time'], rows));
  }
  return parts.join('');
}

/** The sentences before the tables: why it was not done comes first. */
function leadOf(result: SummaryShape, cwd: string): string[] {
  const reason = reasonOf(result);
  const words = reason && wordsOf(reason, { root: result.root, layout: result.layout, cwd });
  return [
    ...(words === undefined ? [] : [`❌ ${words.message} → ${words.remedy}`]),
    ...(result.command === 'deploy' ? [endText(result)] : []),
    ...(result.interrupted === undefined ? [] : [finishText(result)]),
  ];
}

/** The job summary: what was done, a table for each service, then the findings. Names and fingerprints only. */
export function summaryOf(result: SummaryShape, cwd: string): string {
  const findings = result.findings.map((one) => {
    const { message, remedy } = wordsOf(one, { root: result.root, layout: result.layout, cwd });
    const place = one.location === undefined ? '' : placeText(one.location, result.root);
    return [one.severity, one.code, place, `${message} → ${remedy}`];
  });
  return [
    `<h3>comfyui-auth ${cell(`${result.command}: ${result.status}`)}</h3>\n`,
    ...leadOf(result, cwd).map((text) => `<p>${cell(text)}</p>\n`),
    ...result.services.map((service) => serviceSummary(service, result)),
    findings.length === 0
      ? ''
      : table(['severity', 'finding', 'place', 'what it means, and what to do'], findings),
  ].join('');
}

/** What became of a run that was cut off, in a sentence. */
export function finishText({
  status,
  interrupted = '',
}: Pick<SummaryShape, 'status' | 'interrupted'>): string {
  const cut = `"${interrupted}" was cut off`;
  if (status === 'cleaned') return `${cut}; nothing had to be put back, and what it left behind is gone`;
  if (status === 'rolled-back') return `${cut}; every file and every service is as it was before`;
  const services =
    status === 'stopped' ? 'what could not be proven on the old files was stopped' : 'not every service';
  return `${cut}; every file is as it was before, but ${services}`;
}

/** The job summary of a command that failed: what is wrong, and what to do. */
export function failureSummary(command: string, { message, remedy }: Failure): string {
  const title = cell(`${`comfyui-auth ${command}`.trim()}: error`);
  return `<h3>${title}</h3>\n<p>${cell(`${message} → ${remedy}`)}</p>\n`;
}
