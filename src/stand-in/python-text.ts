// Python and JavaScript do not agree on what white space is: a BOM is some for JavaScript only.
const BLANK = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const ENDS = new RegExp(`^${BLANK}+|${BLANK}+$`, 'g');
const GAPS = new RegExp(`${BLANK}+`);

/** `str.strip()`. */
export const strip = (text: string): string => text.replace(ENDS, '');

/** `str.split()`: the words between white space. */
export const split = (text: string): string[] =>
  strip(text)
    .split(GAPS)
    .filter((word) => word !== '');

/** Decodes strictly, and keeps a BOM, as `open(…, encoding="utf-8")` does. Throws where it is not UTF-8. */
export const decodeUtf8 = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);

/** The first line as `readline()` gives it in text mode, where any of the three line ends counts. */
export const firstLine = (text: string): string => text.split(/\r\n|\r|\n/, 1)[0] ?? '';
