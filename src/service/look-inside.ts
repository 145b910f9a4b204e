import { basename } from 'node:path';
import type { ProcessPort, ProcessResult } from '../platform/process.ts';
import { DockerCommand } from './docker-command.ts';

/** Lines of a log that are looked through: what installs, and what failed to load, says so near the end. */
const LOG_LINES = 200;

/** An installer that says something was the last to speak where it did so in these lines. */
const LAST_LINES = 20;

/** Programs that run in a container before ComfyUI does, for as long as a quarter of an hour (domain.md I7). */
const INSTALLERS = /^(?:pip3?|uv|apt|apt-get|dpkg|conda|mamba|micromamba)$/;

const INSTALLER_WORDS =
  /^\s*(?:Collecting |Downloading |Using cached |Installing collected |Building wheels? |Preparing metadata|Get:\d+ |Unpacking |Setting up |Resolved \d+ packages|Prepared \d+ packages)/;

/** Why the login node's import failed, by what Python says. Nothing else of the line is kept. */
const IMPORT_FAULTS: readonly [RegExp, ImportFault][] = [
  [/permission denied/i, 'permission'],
  [/codec can't decode|invalid start byte/i, 'not-utf8'],
  [/is a directory|illegal operation on a directory/i, 'is-a-folder'],
  [/fernet|secret.?key/i, 'session-key'],
];

export type ImportFault = 'permission' | 'not-utf8' | 'is-a-folder' | 'session-key';

/** The processes of a container, as far as they tell something. */
export interface Processes {
  /** The name of an installer that runs. */
  installer?: string;
  /** When ComfyUI's own process was started, where one is seen. */
  comfyuiSince?: Date;
}

/** What a container's log tells; nothing of its text, in which the node writes its token. */
export interface LogSigns {
  /** Whether an installer spoke last. */
  installing: boolean;
  /** Whether ComfyUI could not import the login node; `module` is the Python package that it lacks. */
  loginImport?: { fault?: ImportFault; module?: string };
}

export type FileInside = { kind: 'file'; bytes: Buffer } | { kind: 'missing' } | { kind: 'unknown' };

/** The program that a command line runs: for Python the module or the script. */
function programOf(command: string): string {
  const [first = '', ...words] = command.trim().split(/\s+/);
  if (!/^python[\d.]*$/.test(basename(first))) return basename(first);
  const at = words.findIndex((word) => word === '-m' || !word.startsWith('-'));
  return basename((words[at] === '-m' ? words[at + 1] : words[at]) ?? '');
}

function processesIn(stdout: string, now: Date): Processes {
  const seen: Processes = {};
  for (const line of stdout.split('\n')) {
    const [, seconds, command = ''] = /^\s*\d+\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    const program = programOf(command);
    if (INSTALLERS.test(program)) seen.installer = program;
    if (program !== 'main.py') continue;
    const since = new Date(now.getTime() - Number(seconds) * 1000);
    // Its workers are younger.
    if (seen.comfyuiSince === undefined || since < seen.comfyuiSince) seen.comfyuiSince = since;
  }
  return seen;
}

function importFault(lines: readonly string[]): LogSigns['loginImport'] {
  const failed = lines.filter((line) => /IMPORT FAILED|Cannot import/.test(line) && /login/i.test(line));
  if (failed.length === 0) return undefined;
  const text = failed.join('\n');
  const lacking = /No module named '([\w.]{1,60})'/.exec(text)?.[1];
  const fault = IMPORT_FAULTS.find(([pattern]) => pattern.test(text))?.[1];
  return { ...(lacking !== undefined && { module: lacking }), ...(fault !== undefined && { fault }) };
}

function signsIn({ stdout, stderr }: ProcessResult): LogSigns {
  const streams = [stdout, stderr].map((text) => text.split(/[\r\n]+/).filter((line) => line.trim() !== ''));
  const installing = streams.some((lines) => {
    const last = lines.slice(-LAST_LINES);
    const serving = last.findLastIndex((line) => /Starting server|To see the GUI/.test(line));
    return last.findLastIndex((line) => INSTALLER_WORDS.test(line)) > serving;
  });
  const loginImport = importFault(streams.flat());
  return { installing, ...(loginImport !== undefined && { loginImport }) };
}

/** Looks into running containers without changing anything in them. What cannot be seen is undefined or unknown. */
export class InsideLook {
  readonly #docker: DockerCommand;

  /** `env` is the whole environment of `docker`; no question takes longer than `timeoutMs`. */
  constructor(process: ProcessPort, env: NodeJS.ProcessEnv, timeoutMs: number) {
    this.#docker = new DockerCommand(process, env, timeoutMs);
  }

  async processes(id: string, now: Date): Promise<Processes | undefined> {
    const ran = await this.#docker.run(['top', id, '-eo', 'pid,etimes,args']);
    return ran.code === 0 ? processesIn(ran.stdout, now) : undefined;
  }

  async log(id: string): Promise<LogSigns | undefined> {
    const ran = await this.#docker.run(['logs', '--tail', String(LOG_LINES), id]);
    return ran.code === 0 ? signsIn(ran) : undefined;
  }

  /** A file as the container's own processes see it. */
  async file(id: string, path: string): Promise<FileInside> {
    const { code, stdout, stdoutBytes, stderr } = await this.#docker.run(['exec', id, 'cat', path]);
    if (code === 0) return { kind: 'file', bytes: stdoutBytes ?? Buffer.from(stdout, 'utf8') };
    return { kind: code === 1 && /^cat: .*no such file/im.test(stderr) ? 'missing' : 'unknown' };
  }

  /** When a file in the container was last changed, to the second. */
  async changedAt(id: string, path: string): Promise<Date | undefined> {
    const { code, stdout } = await this.#docker.run(['exec', id, 'stat', '-c', '%Y', path]);
    const seconds = /^(\d+)\n?$/.exec(stdout)?.[1];
    return code === 0 && seconds !== undefined ? new Date(Number(seconds) * 1000) : undefined;
  }

  /** The names of all containers of this machine, whosever they are; none where they cannot be had. */
  async names(): Promise<string[]> {
    const { code, stdout } = await this.#docker.run(['container', 'ls', '-a', '--format', '{{.Names}}']);
    return code === 0 ? stdout.split('\n').filter((name) => /^[\w.-]{1,128}$/.test(name)) : [];
  }
}
