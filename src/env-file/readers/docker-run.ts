import { rawLines } from './raw-lines.ts';
import type { EnvReader, ReadOutcome, ReadValue } from './reader.ts';

/** `docker run --env-file`, and Compose's `format: raw`. Source: docker/cli pkg/kvfile. */
function read(text: string): ReadOutcome {
  const values = new Map<string, ReadValue>();
  for (const line of rawLines(text)) {
    if (line.tooLong) return { ok: false, line: line.number, reason: 'line-too-long' };
    const equals = line.text.indexOf('=');
    const key = equals < 0 ? line.text : line.text.slice(0, equals);
    if (key === '') return { ok: false, line: line.number, reason: 'missing-key' };
    if (/[ \t]/.test(key)) return { ok: false, line: line.number, reason: 'bad-key' };
    if (equals >= 0) values.set(key, { value: line.text.slice(equals + 1), line: line.number });
    else if (!values.has(key)) values.set(key, { value: '', unstable: 'inherited', line: line.number });
  }
  return { ok: true, values };
}

export const dockerRunReaders: readonly EnvReader[] = [
  { id: 'docker-run 20+', name: 'docker-run', from: '20', read },
];
