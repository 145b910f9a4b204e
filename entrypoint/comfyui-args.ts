import { basename } from 'node:path';

/** The arguments of ComfyUI that decide where it listens, and which custom nodes it loads. */
export interface ComfyUiArgs {
  /** The address to ask at: where ComfyUI listens everywhere, the loopback. */
  host: string;
  port: number;
  /** Whether only the container itself reaches it. */
  onLoopback: boolean;
  tls: boolean;
  /** The value of `--enable-cors-header`; `*` where it stands alone. */
  corsOrigin?: string;
  baseDirectory?: string;
  extraModelPaths: string[];
  /** Undefined where custom nodes are loaded as usual; else the only folders that are. */
  onlyNodes?: string[];
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/;

/**
 * Reads ComfyUI's own options out of a command line as its argparse does (comfy/cli_args.py): `--name value`,
 * `--name=value`, unambiguous abbreviations (`shortest`), the last one wins. Options of the interpreter, or of a
 * program around it, stand before `main.py` and are none of ComfyUI's.
 */
export function readComfyUiArgs(command: readonly string[], fallback: { port: number }): ComfyUiArgs {
  const argv = ownWords(command);
  const listen = last(argv, '--listen', '--li', '0.0.0.0') ?? '127.0.0.1';
  const port = Number(last(argv, '--port', '--po') ?? fallback.port);
  const corsOrigin = last(argv, '--enable-cors-header', '--enable-cor', '*');
  const baseDirectory = last(argv, '--base-directory', '--ba');
  const disabled = occurrences(argv, '--disable-all-custom-nodes', '--disable-al').length > 0;
  return {
    host: reachable(listen),
    onLoopback: listen.split(',').every((host) => LOOPBACK.test(host.trim())),
    port: Number.isInteger(port) ? port : fallback.port,
    tls: occurrences(argv, '--tls-certfile', '--tls-c').length > 0,
    ...(corsOrigin !== undefined && { corsOrigin }),
    // An empty one is none to ComfyUI.
    ...(baseDirectory !== undefined && baseDirectory !== '' && { baseDirectory }),
    extraModelPaths: occurrences(argv, '--extra-model-paths-config', '--ex').flat(),
    ...(disabled && { onlyNodes: occurrences(argv, '--whitelist-custom-nodes', '--wh').at(-1) ?? [] }),
  };
}

/** The value of one of ComfyUI's options that take one; `shortest` is the shortest abbreviation that means it alone. */
export const optionValue = (command: readonly string[], name: string, shortest: string): string | undefined =>
  last(ownWords(command), name, shortest);

/** What ComfyUI's argparse gets to see as options: behind `main.py`, where there is one, and before a `--`. */
function ownWords(command: readonly string[]): readonly string[] {
  const main = command.findIndex((word) => basename(word) === 'main.py');
  if (main < 0) return command;
  const argv = command.slice(main + 1);
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}

/** Whether argparse takes a word for an option: `-1` and a word with a blank in it are values. */
const isOption = (word: string) =>
  /^-./.test(word) && !/^-\d+$|^-\d*\.\d+$/.test(word) && !/^[^=]* /.test(word);

/** The values of each occurrence of an option: the words up to the next option. */
function occurrences(argv: readonly string[], name: string, shortest: string): string[][] {
  const found: string[][] = [];
  for (const [index, word] of argv.entries()) {
    const [option = '', ...inline] = word.split('=');
    if (!option.startsWith(shortest) || !name.startsWith(option)) continue;
    if (inline.length > 0) {
      found.push([inline.join('=')]);
      continue;
    }
    const rest = argv.slice(index + 1);
    const end = rest.findIndex(isOption);
    found.push(end < 0 ? rest : rest.slice(0, end));
  }
  return found;
}

/** The value of the last occurrence; `alone` where the option stands there without one. */
function last(argv: readonly string[], name: string, shortest: string, alone?: string): string | undefined {
  const values = occurrences(argv, name, shortest).at(-1);
  return values === undefined ? undefined : (values[0] ?? alone);
}

function reachable(listen: string): string {
  const host = (listen.split(',')[0] ?? '').trim();
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
