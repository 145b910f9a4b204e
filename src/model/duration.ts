const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `120s`, `500ms`, `2m`, or plain seconds, as milliseconds; undefined where the text is no span of time. */
export function parseSpan(text: string): number | undefined {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (UNITS[unit] ?? 0);
}

const MAX_MS = 24 * 3_600_000;

/** What is said to who gives something else than a duration. */
export const DURATION_FORM = 'give a time such as 120s, 2m or 500ms, at most 24h';

/** As `parseSpan`; undefined for none at all too, and for more than a day: a timer of 25 days ends at once. */
export function parseDuration(text: string): number | undefined {
  const ms = parseSpan(text);
  return ms === undefined || ms === 0 || ms > MAX_MS ? undefined : ms;
}
