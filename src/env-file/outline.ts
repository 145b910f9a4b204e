/** A part of a text, from `start` up to `end`. */
export interface Range {
  start: number;
  end: number;
}

const NAME = 1;
const DIGIT = 2;
const INERT = 4;
const COMMENT = 8;

const CLASSES = new Uint8Array(128);
for (let code = 0x20; code < 0x7f; code += 1) {
  const character = String.fromCharCode(code);
  if (/[A-Za-z_]/.test(character)) CLASSES[code] = NAME | INERT | COMMENT;
  else if (/[0-9]/.test(character)) CLASSES[code] = DIGIT | INERT | COMMENT;
  else if (/[.,/@%+-]/.test(character)) CLASSES[code] = INERT | COMMENT;
  else if (!/['"`\\$]/.test(character)) CLASSES[code] = COMMENT;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const EQUALS = 0x3d;
const HASH = 0x23;

/** Longer lines are looked at by the readers themselves: some have a limit. */
const LONGEST = 4096;

/** Lines that one line can stand for: an assignment where there is one among them, else a comment. */
export interface InertRun extends Range {
  assigns: boolean;
}

/**
 * The inside of each run of lines that mean the same to every reader wherever they stand: `NAME=inert`, comments
 * and empty ones. Such a line holds no quote, backslash or dollar: it opens nothing, closes nothing and names no
 * other key, so a reader leaves it in the state in which it came to it, and one line can stand for a whole run.
 * The first and the last are not part of what is given: the lines before and after may be taken together with them.
 * Lines with one of `kept` (ascending offsets) in them interrupt a run.
 */
export function inertRuns(text: string, kept: readonly number[]): InertRun[] {
  const runs: InertRun[] = [];
  let run: InertRun = { start: -1, end: -1, assigns: false };
  let lastAssigns = false;
  let next = 0;
  const close = () => {
    if (run.start >= 0 && run.end > run.start) runs.push(run);
    run = { start: -1, end: -1, assigns: false };
    lastAssigns = false;
  };
  for (let at = 0; at < text.length; ) {
    const stop = inertStop(text, at);
    const newline = stop >= 0 ? stop : text.indexOf('\n', at);
    const end = newline < 0 ? text.length : newline + 1;
    const untouched = (kept[next] ?? end) >= end;
    while ((kept[next] ?? end) < end) next += 1;
    if (stop < 0 || !untouched) close();
    else if (run.start < 0) run.start = end;
    else {
      run.end = at;
      run.assigns ||= lastAssigns;
      lastAssigns = ((CLASSES[text.charCodeAt(at)] ?? 0) & NAME) !== 0;
    }
    at = end;
  }
  close();
  return runs;
}

/** The offset of the line feed that ends an inert line; -1 where the line is not inert. */
function inertStop(text: string, start: number): number {
  let at = start;
  let code = text.charCodeAt(at);
  let wanted = COMMENT;
  if (code !== HASH && code !== NEWLINE && code !== RETURN) {
    if (((CLASSES[code] ?? 0) & NAME) === 0) return -1;
    while (((CLASSES[code] ?? 0) & (NAME | DIGIT)) !== 0) {
      at += 1;
      code = text.charCodeAt(at);
    }
    if (code !== EQUALS) return -1;
    wanted = INERT;
    at += 1;
    code = text.charCodeAt(at);
  }
  while (((CLASSES[code] ?? 0) & wanted) !== 0) {
    at += 1;
    code = text.charCodeAt(at);
  }
  if (code === RETURN) at += 1;
  return text.charCodeAt(at) === NEWLINE && at - start < LONGEST ? at : -1;
}
