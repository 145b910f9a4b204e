import type { OnReadOpts, Socket } from 'node:net';

/** What one read of a connection takes at most. */
const SMALL = 16 * 1024;

/** What it takes while small reads come back full: fewer and larger ones cost half as much. */
const LARGE = 1024 * 1024;

/** How many large buffers there are in all: transfers that stand still must not fill the memory. */
const LENT_AT_MOST = 16;

let lent = 0;
const spare: Buffer[] = [];

/** The buffer for the next read, after one that took so many bytes. */
function fitting(buffer: Buffer, bytes: number): Buffer {
  if (buffer.length === SMALL && bytes === SMALL && lent < LENT_AT_MOST) {
    lent++;
    return spare.pop() ?? Buffer.allocUnsafeSlow(LARGE);
  }
  return buffer.length === LARGE && bytes < SMALL ? Buffer.allocUnsafeSlow(SMALL) : buffer;
}

function giveBack(buffer: Buffer): void {
  if (buffer.length !== LARGE) return;
  lent--;
  spare.push(buffer);
}

/**
 * Reads a socket and writes what it says to another: one buffer, which is read into again only once it is written.
 * Takes how to get the socket that is read; gives what `connect` wants to know, and what is to be called at its end.
 */
export function readInto(from: () => Socket, to: Socket): { onread: OnReadOpts; closed: () => void } {
  let buffer: Buffer = Buffer.allocUnsafeSlow(SMALL);
  /** What is read no more, and not written yet. */
  let last: Buffer | undefined;
  let held = false;

  const written = () => {
    if (last !== undefined) giveBack(last);
    last = undefined;
    if (held) from().resume();
    held = false;
  };
  const callback = (bytes: number) => {
    const filled = buffer;
    buffer = fitting(filled, bytes);
    if (buffer !== filled) last = filled;
    to.write(filled.subarray(0, bytes), written);
    held = to.writableLength > 0;
    return !held;
  };
  const closed = () => {
    written();
    giveBack(buffer);
  };
  return { onread: { buffer: () => buffer, callback }, closed };
}
