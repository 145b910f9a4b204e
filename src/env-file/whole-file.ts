import type { EnvReader, ReadFault, ReadOutcome, ReadValue } from './readers/index.ts';

/** What one reader would get wrong in an edited text. */
export interface Difference {
  /** The edited key, or the neighbour; absent where the reader rejects the text. */
  key?: string;
  reader: string;
  reason: 'not-read-back' | 'neighbour-changed' | ReadFault;
  line?: number;
}

/**
 * Reads an edited text with every reader: edited keys must have the values wanted, all others must read as before.
 * A reader without a reading from before is not heard. A key that names an edited one (`B=${K}`) may follow it; these are given apart.
 */
export function compare(
  models: readonly EnvReader[],
  before: readonly (ReadOutcome | undefined)[],
  text: string,
  wanted: ReadonlyMap<string, string | undefined>,
): { differences: Difference[]; following: string[] } {
  const differences: Difference[] = [];
  const following = new Set<string>();
  models.forEach((model, at) => {
    const old = before[at];
    if (old === undefined) return;
    const now = model.read(text);
    if (!now.ok) differences.push({ reader: model.id, reason: now.reason, line: now.line });
    if (!now.ok || !old.ok) return;
    differences.push(...misread(model, now.values, wanted));
    for (const key of changedKeys(old.values, now.values)) {
      if (wanted.has(key)) continue;
      const follows = [old, now].every(({ values }) => values.get(key)?.unstable === 'expanded');
      if (follows) following.add(key);
      else differences.push({ key, reader: model.id, reason: 'neighbour-changed' });
    }
  });
  return { differences, following: [...following] };
}

type Values = ReadonlyMap<string, ReadValue>;

function misread(
  model: EnvReader,
  values: Values,
  wanted: ReadonlyMap<string, string | undefined>,
): Difference[] {
  return [...wanted].flatMap(([key, value]): Difference[] => {
    const got = values.get(key);
    if (got?.value === value && got?.unstable === undefined) return [];
    return [{ key, reader: model.id, reason: 'not-read-back' }];
  });
}

function changedKeys(old: Values, now: Values): string[] {
  const keys = new Set([...old.keys(), ...now.keys()]);
  return [...keys].filter((key) => {
    const [was, is] = [old.get(key), now.get(key)];
    return was?.value !== is?.value || was?.unstable !== is?.unstable;
  });
}
