import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { errnoOf } from '../../src/store/system-call.ts';

/** What downloaders call a file that is not whole yet, and put beside the file itself. */
const HALVES = ['.part', '.partial', '.incomplete', '.crdownload', '.download', '.tmp'];
/** aria2 gives the file itself its full size at once, and removes this one at the end. */
const CONTROL = '.aria2';

const LFS = 'version https://git-lfs';
const PAGE = /^\s*(?:<(?:!doctype|html|\?xml|head|body)|\{\s*"(?:error|message)")/i;
/** Beyond this the header is only measured, not parsed: the boot waits for it. */
const MAX_HEADER = 4 * 1024 * 1024;

/** What is wrong with a model's file; undefined where nothing shows. A folder is fine where it is not empty. */
export function modelFault(path: string): string | undefined {
  const half = HALVES.find((end) => existsSync(path + end));
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR') return `cannot be looked at (${errno})`;
    return half === undefined ? 'is not there' : `is not there, only a download that did not end (${half})`;
  }
  if (stats.isDirectory()) return readdirSync(path).length === 0 ? 'is an empty folder' : undefined;
  if (!stats.isFile()) return 'is no file';
  if (stats.size === 0) return 'is empty';
  if (existsSync(path + CONTROL)) return `is a download that did not end (${CONTROL} beside it)`;
  return faultInside(path);
}

function faultInside(path: string): string | undefined {
  let file: number;
  try {
    // It may have become a FIFO by now: opening one must not wait for a writer, and nothing is read from it.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    return `cannot be read (${errnoOf(error)})`;
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return 'is no file';
    const { size } = stats;
    const start = read(file, 0, Math.min(size, 256));
    const words = start.toString('latin1');
    if (words.startsWith(LFS)) return 'is a pointer of Git LFS, not the model: `git lfs pull`';
    if (PAGE.test(words)) return 'is a web page or an error message, not the model: its download was refused';
    return /\.(?:safetensors|sft)$/i.test(path) ? safetensorsFault(file, size, start) : undefined;
  } catch (error) {
    return `cannot be read (${errnoOf(error)})`;
  } finally {
    closeSync(file);
  }
}

/** safetensors: 8 bytes, little-endian, for the length of a JSON header; behind it the tensors, to the last byte. */
function safetensorsFault(file: number, size: number, start: Buffer): string | undefined {
  if (size < 8) return `is cut off: ${size} bytes`;
  const length = Number(start.readBigUInt64LE(0));
  if (start.length > 8 && start[8] !== 0x7b) return 'is no safetensors file';
  if (8 + length > size) return `is cut off in its header: ${size} bytes`;
  if (length > MAX_HEADER) return undefined;
  const whole = wholeSize(read(file, 8, length));
  if (whole === undefined) return 'has a safetensors header that cannot be read';
  if (8 + length + whole === size) return undefined;
  return `is not whole: ${size} bytes of ${8 + length + whole}`;
}

/** Where the last tensor ends, counted from the end of the header. */
function wholeSize(header: Buffer): number | undefined {
  try {
    const tensors = Object.entries(JSON.parse(header.toString('utf8')) as Record<string, unknown>);
    const ends = tensors
      .filter(([name]) => name !== '__metadata__')
      .map(([, tensor]) => (tensor as { data_offsets: [number, number] }).data_offsets[1]);
    const end = Math.max(0, ...ends);
    return Number.isSafeInteger(end) ? end : undefined;
  } catch {
    return undefined;
  }
}

function read(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let at = 0;
  while (at < length) {
    const got = readSync(file, buffer, at, length - at, position + at);
    if (got === 0) break;
    at += got;
  }
  return buffer.subarray(0, at);
}
