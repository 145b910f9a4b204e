/** The text of a `.env`, byte order mark included, or the line at which it is not UTF-8. */
export function decodeEnv(bytes: Buffer): { ok: true; text: string } | { ok: false; line: number } {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return { ok: true, text: decoder.decode(bytes) };
  } catch {
    return { ok: false, line: firstBadLine(bytes) };
  }
}

// A line feed byte is never part of a longer UTF-8 sequence, so each line can be judged alone.
function firstBadLine(bytes: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    start = end + 1;
  }
  return line;
}
