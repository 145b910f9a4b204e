import { Writable } from 'node:stream';

/**
 * An output for the child that never fails (who reads the log may go away), and beside it lines of our own, which
 * begin on a new line even where the child left one open.
 */
export function lineAware(target: Writable): { stream: Writable; writeLine: (line: string) => void } {
  let open = false;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      open = chunk.at(-1) !== 0x0a;
      target.write(chunk, () => done());
    },
  });
  const writeLine = (line: string) => {
    target.write(open ? `\n${line}` : line);
    open = false;
  };
  return { stream, writeLine };
}
