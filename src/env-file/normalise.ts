import { BOM, type EnvReader } from './readers/index.ts';

export type Normalisation = 'bom-removed' | 'line-ends-converted';

const SAMPLE = "A=1\n# note\nB='x'\n";

/**
 * Takes away what makes a configured reader misread a whole file: the byte order mark, and line ends with a
 * carriage return (readers.md §7, rules 5 and 6). Where no reader minds, the text stays as it is.
 */
export function normalise(
  text: string,
  models: readonly EnvReader[],
): { text: string; notes: Normalisation[] } {
  const notes: Normalisation[] = [];
  let normal = text;
  if (text.startsWith(BOM) && models.some((model) => minds(model, BOM + SAMPLE))) {
    normal = normal.slice(BOM.length);
    notes.push('bom-removed');
  }
  if (text.includes('\r\n') && models.some((model) => minds(model, SAMPLE.replaceAll('\n', '\r\n')))) {
    normal = normal.replaceAll('\r\n', '\n');
    notes.push('line-ends-converted');
  }
  return { text: normal, notes };
}

function minds(model: EnvReader, sample: string): boolean {
  const [plain, odd] = [model.read(SAMPLE), model.read(sample)];
  if (!plain.ok || !odd.ok) return !odd.ok;
  return [...plain.values].some(([key, { value }]) => odd.values.get(key)?.value !== value);
}
