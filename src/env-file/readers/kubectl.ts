import { rawLines } from './raw-lines.ts';
import type { EnvReader, ReadOutcome, ReadValue } from './reader.ts';

const NAME = /^(?!\.\.|\.$)[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/**
 * `kubectl create secret|configmap --from-env-file`. A line of 64 KiB ends the file without a word.
 * Source: kubernetes/kubectl pkg/cmd/util/env_file.go.
 */
function read(text: string): ReadOutcome {
  const values = new Map<string, ReadValue>();
  for (const line of rawLines(text)) {
    if (line.tooLong) break;
    const equals = line.text.indexOf('=');
    const key = equals < 0 ? line.text : line.text.slice(0, equals);
    if (!NAME.test(key)) return { ok: false, line: line.number, reason: 'bad-key' };
    if (values.has(key)) return { ok: false, line: line.number, reason: 'duplicate-key' };
    if (equals < 0) values.set(key, { value: '', unstable: 'inherited', line: line.number });
    else values.set(key, { value: line.text.slice(equals + 1), line: line.number });
  }
  return { ok: true, values };
}

export const kubectlReaders: readonly EnvReader[] = [
  { id: 'kubectl 1.20+', name: 'kubectl', from: '1.20', read },
];
