const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `120s`, `500ms`, `2m`, or plain seconds, as milliseconds; undefined where the text is no span of time. */
export function parseSpan(text: string): number | undefined {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (UNITS[unit] ?? 0);
}

/** As `parseSpan`; undefined for none at all too. */
export function parseDuration(text: string): number | undefined {
  return parseSpan(text) || undefined;
}
