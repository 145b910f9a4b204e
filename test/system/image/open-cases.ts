import { COMFYUI, type HostFolder, NODE } from './container.ts';

/** What a case has in its volumes: a PASSWORD that is right, and the login node as it is in the image. */
export interface Volumes {
  host: HostFolder;
  login: string;
  nodes: string;
}

/** A way in which ComfyUI-Login fails to load, and the server would be open (container.md §1). */
export interface Case {
  name: string;
  spoil?: (volumes: Volumes) => void;
  env?: Record<string, string>;
  args?: string[];
  /** How it ends where nothing can put it right: the code of the diagnosis, and 77 for a missing permission. */
  ends: string;
  exit?: number;
  /** Put right with a credential that is handed in, and with the image's copy of the node. */
  healed?: boolean;
}

const KEY = `${'A'.repeat(43)}=`;
const NOT_UTF8 = Buffer.from([0x24, 0xff, 0x0a]);
const today = () => new Date().toISOString().slice(0, 19);

const key =
  (content: string) =>
  ({ host }: Volumes) =>
    void host.file('custom_nodes/ComfyUI-Login/.secret-key.txt', content);

export const CASES: Case[] = [
  {
    name: 'O1 PASSWORD not UTF-8',
    spoil: ({ host }) => void host.file('login/PASSWORD', NOT_UTF8),
    ends: 'credential-missing',
    healed: true,
  },
  {
    name: 'O2 PASSWORD a folder',
    spoil: ({ host }) => {
      host.drop('login/PASSWORD');
      host.folder('login/PASSWORD');
    },
    ends: 'not-a-file',
  },
  {
    name: 'O3 PASSWORD unreadable by ComfyUI’s user',
    spoil: ({ host }) => host.own('login/PASSWORD', 0),
    ends: 'file-unreadable',
    exit: 77,
  },
  {
    name: 'O4 the node’s folder not writable, and no key file',
    spoil: ({ host }) => host.own('custom_nodes/ComfyUI-Login', 0),
    ends: 'login-node-not-writable',
  },
  { name: 'O5 the session key empty', spoil: key(''), ends: 'session-key-broken' },
  { name: 'O6 a time zone in its date', spoil: key(`${KEY},${today()}+00:00`), ends: 'session-key-broken' },
  { name: 'O7 no Fernet key in it', spoil: key(`short,${today()}`), ends: 'session-key-broken' },
  {
    name: 'O8 a Python package missing',
    args: ['--tmpfs', '/opt/venv/lib/python3.11/site-packages/Crypto'],
    ends: 'python-package-missing',
  },
  {
    name: 'O9 --base-directory',
    args: ['--tmpfs', '/base:uid=1000,gid=1000'],
    env: { COMFYUI_ARGS: '--cpu --base-directory /base' },
    ends: 'login-node-missing',
    healed: true,
  },
  {
    name: 'O10 --disable-all-custom-nodes',
    env: { COMFYUI_ARGS: '--cpu --disable-all-custom-nodes' },
    ends: 'login-node-disabled',
  },
  {
    name: 'O11 the folder renamed',
    spoil: ({ host }) => host.move('custom_nodes/ComfyUI-Login', 'custom_nodes/ComfyUI-Login.disabled'),
    ends: 'login-node-disabled',
    healed: true,
  },
  {
    name: 'O11 the folder absent',
    spoil: ({ host }) => host.drop('custom_nodes/ComfyUI-Login'),
    ends: 'login-node-missing',
    healed: true,
  },
];

const write = (path: string, content: string) => `open(${JSON.stringify(path)}, "wb").write(${content})`;
const PASSWORD = `${COMFYUI}/login/PASSWORD`;
const brokenKey = (content: string) => write(`${NODE}/.secret-key.txt`, `b"${content}"`);

export type Later = [name: string, python: string];

/**
 * What the server itself does just before it loads its nodes: all that could be checked has been. It loads the guard
 * all the same.
 */
export const LATER: Later[] = [
  ['O1 PASSWORD not UTF-8', write(PASSWORD, 'b"$\\xff\\n"')],
  ['O2 PASSWORD a folder', `os.remove("${PASSWORD}"); os.mkdir("${PASSWORD}")`],
  ['O3 PASSWORD unreadable', `os.chmod("${PASSWORD}", 0)`],
  [
    'O4 the node’s folder not writable, and no key',
    `os.remove("${NODE}/.secret-key.txt"); os.chmod("${NODE}", 0o555)`,
  ],
  ['O5 the session key empty', brokenKey('')],
  ['O6 a time zone in its date', brokenKey(`${KEY},${today()}+00:00`)],
  ['O7 no Fernet key in it', brokenKey(`short,${today()}`)],
  ['O8 a Python package fails', 'sys.modules["bcrypt"] = None'],
  ['O11 the folder renamed', `os.rename("${NODE}", "${NODE}.disabled")`],
  ['O11 the folder absent', `import shutil; shutil.rmtree("${NODE}")`],
  ['F1 PASSWORD removed', `os.remove("${PASSWORD}")`],
  ['F2 PASSWORD emptied', write(PASSWORD, 'b""')],
];

/** It does not load the guard either; before a start the entrypoint knows what these options do. */
export const LATER_WITHOUT_GUARD: Later[] = [
  ['O9 another base folder', 'import folder_paths; folder_paths.custom_nodes[:] = ["/tmp"]'],
  ['O10 all custom nodes off', 'args.disable_all_custom_nodes = True'],
];
