import { styleText } from 'node:util';
import type { Finding, Severity } from '../model/finding.ts';
import { SEVERITIES } from '../model/finding.ts';
import { type Deployment, wordsOf } from './messages.ts';
import { placeText } from './place.ts';

type Style = Parameters<typeof styleText>[0];

/** How a face wants text to look. */
export interface TextOptions extends Deployment {
  color: boolean;
}

const SEVERITY_STYLE: Record<Severity, Style> = {
  info: 'dim',
  warning: 'yellow',
  error: 'red',
  critical: ['bold', 'red'],
};

/** A word in a style, where colours are wanted. */
export function styled(style: Style, text: string, options: { color: boolean }): string {
  return options.color ? styleText(style, text, { validateStream: false }) : text;
}

/** Rows of cells as aligned columns; the last column is not padded. */
export function columns(rows: readonly (readonly string[])[], indent = '  '): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) => {
    const cells = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)));
    return (indent + cells.join('  ')).trimEnd();
  });
}

function findingLines(finding: Finding, options: TextOptions): string[] {
  const { message, remedy } = wordsOf(finding, options);
  const severity = styled(SEVERITY_STYLE[finding.severity], finding.severity, options);
  const place = finding.location === undefined ? '' : `  ${placeText(finding.location, options.root)}`;
  return [
    `${severity}  ${finding.code}${place}`,
    `    ${message}`,
    `    ${styled('cyan', '→', options)} ${remedy}`,
  ];
}

/** `2 errors, 1 warning`. */
export function countText(findings: readonly Finding[]): string {
  return SEVERITIES.toReversed()
    .map((severity) => ({ severity, count: findings.filter((one) => one.severity === severity).length }))
    .filter(({ count }) => count > 0)
    .map(({ severity, count }) => {
      const plural = count > 1 && (severity === 'error' || severity === 'warning') ? 's' : '';
      return `${count} ${severity}${plural}`;
    })
    .join(', ');
}

/** Findings in words, the gravest first. */
export function findingsText(findings: readonly Finding[], options: TextOptions): string[] {
  const ordered = findings.toSorted(
    (a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity),
  );
  return ordered.flatMap((one) => findingLines(one, options));
}
