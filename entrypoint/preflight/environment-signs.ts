import { isPlaceholder } from '../../src/env-file/placeholder.ts';
import { scrubbed } from '../settings.ts';
import { fail, type PreflightCheck, pass } from './check.ts';

/** Their values never hold a blank or a `#`: what follows one was a comment. */
const ONE_WORD = [
  'HF_TOKEN',
  'CIVITAI_TOKEN',
  'QWEN_API_TOKEN',
  'NVIDIA_VISIBLE_DEVICES',
  'CUDA_VISIBLE_DEVICES',
  'TZ',
];
const TOKENS = ['HF_TOKEN', 'CIVITAI_TOKEN', 'QWEN_API_TOKEN'];

/** A shell's own: full of signs that mean something there. */
const OF_SHELLS = /^(?:_|PS\d|PROMPT_COMMAND|BASH_FUNC_.*|LS_COLORS|SHELLOPTS|IFS)$/;

interface Sign {
  words: string;
  shows(name: string, value: string): boolean;
}

/** How a value looks that Compose, `docker run --env-file`, a shell or another tool has damaged, or left as it was. */
const SIGNS: readonly Sign[] = [
  { words: 'holds its own name again', shows: (name, value) => value.startsWith(`${name}=`) },
  {
    words: 'ends in a CR: the file has the line ends of Windows',
    shows: (_name, value) => value.endsWith('\r'),
  },
  {
    words: 'is still in quotes',
    shows: (_name, value) => /^(["'])[\s\S]*\1$/.test(value.trim()) && value.trim().length > 1,
  },
  { words: 'holds `$$`, which nobody has undone', shows: (_name, value) => value.includes('$$') },
  {
    words: 'refers to another variable, and nobody has filled it in',
    shows: (_name, value) => /\$\{[A-Za-z_]\w*(?::?[-?+][^}]*)?\}/.test(value),
  },
  { words: 'is a placeholder', shows: (name, value) => TOKENS.includes(name) && isPlaceholder(value) },
  {
    words: 'holds a blank or a comment',
    shows: (name, value) => ONE_WORD.includes(name) && /\s|#/.test(value.trim()),
  },
  { words: 'has a name that begins with a BOM', shows: (name) => name.startsWith('\uFEFF') },
];

/** Signs that the `.env` did not arrive as it was meant; the credential's own variables are judged where they are read. */
export const environmentSigns: PreflightCheck = {
  id: 'env-mangling',
  severity: 'warning',
  run({ env }) {
    const found = Object.entries(scrubbed(env)).flatMap(([name, value = '']) => {
      if (value === '' || OF_SHELLS.test(name)) return [];
      const sign = SIGNS.find(({ shows }) => shows(name, value));
      return sign === undefined ? [] : [`${shown(name)} ${sign.words}`];
    });
    if (found.length === 0) return pass('no value looks damaged');
    return fail(
      found.slice(0, 8).join('; ') + (found.length > 8 ? `; and ${found.length - 8} more` : ''),
      'write the .env as `comfyui-auth explain .env` shows that its reader takes it: LF line ends, KEY=value once, no comment behind a value; single quotes for Compose, none for `docker run --env-file`',
    );
  },
};

/** A damaged line can make a name out of a value. */
const shown = (name: string) =>
  /^\uFEFF?[A-Za-z_]\w{0,60}$/.test(name) ? name.replace('\uFEFF', '') : '(a variable without a proper name)';
