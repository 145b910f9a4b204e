import type { Redactor } from '../src/platform/redact.ts';

type LogFormat = 'text' | 'json';
type LogFields = Record<string, string | number | boolean>;

/** Events of the entrypoint, one line each. `name` is a stable word; scripts wait for `ready`. */
export interface Log {
  info(name: string, message: string, fields?: LogFields): void;
  warning(name: string, message: string, fields?: LogFields): void;
  error(name: string, message: string, fields?: LogFields): void;
}

export interface LogOptions {
  format: LogFormat;
  redactor: Redactor;
  now: () => Date;
  /** Receives a whole line, its line feed included. */
  write: (line: string) => void;
}

/** Longer texts are cut: one event must never flood a log. */
const MAX_TEXT = 2000;

/** One line, bounded, without a secret and without control characters (a foreign text could forge a line). */
function oneLine(text: string, redactor: Redactor): string {
  const clean = redactor.redact(text).replace(/\p{Cc}+/gu, ' ');
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}…` : clean;
}

/** A log that writes `name: message`, or one JSON object a line with time, level, event, message and fields. */
export function createLog({ format, redactor, now, write }: LogOptions): Log {
  const clean = (value: string | number | boolean) =>
    typeof value === 'string' ? oneLine(value, redactor) : value;

  const record =
    (level: string) =>
    (event: string, message: string, fields: LogFields = {}) => {
      const text = oneLine(message, redactor);
      if (format === 'text') {
        write(`${event}: ${level === 'warning' ? 'warning: ' : ''}${text}\n`);
        return;
      }
      const extra = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, clean(value)]));
      write(`${JSON.stringify({ time: now().toISOString(), level, event, message: text, ...extra })}\n`);
    };
  return { info: record('info'), warning: record('warning'), error: record('error') };
}
