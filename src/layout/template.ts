import { decodeEnv } from '../env-file/decode.ts';
import { isPlaceholder } from '../env-file/placeholder.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { EnvFileLocation, ServiceLayout } from '../model/layout.ts';
import type { FileView } from './file-view.ts';

const LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/;

/** Strips the outer quotes of a template's default. */
const unquoted = (text: string) => text.replace(/^(['"])(.*)\1$/, '$2');

/** The keys of a template, their defaults, and the comment lines that stand right above each. */
function templateKeys(text: string): Pick<EnvFileLocation, 'required' | 'defaults'> & {
  comments: Record<string, string[]>;
} {
  const required: string[] = [];
  const defaults: Record<string, string> = {};
  const comments: Record<string, string[]> = {};
  let above: string[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const [, key, written = ''] = LINE.exec(line) ?? [];
    if (key === undefined) {
      above = line.startsWith('#') ? [...above, line.trimEnd()] : [];
      continue;
    }
    const value = unquoted(written.replace(/\s+#.*$/, ''));
    required.push(key);
    if (value !== '' && !isPlaceholder(value)) defaults[key] = value;
    if (above.length > 0) comments[key] = above;
    above = [];
  }
  return { required, defaults, comments };
}

/**
 * A service whose `.env` also must have the keys of its template. The credential's own keys get no default from it.
 * Throws a Failure (exit 2) where the template cannot be read.
 */
export function withTemplate(service: ServiceLayout, files: FileView): ServiceLayout {
  const env = service.env;
  if (env?.template === undefined) return service;
  const text = files.text(env.template);
  if (text === undefined || !decodeEnv(Buffer.from(text)).ok) {
    throw new Failure({
      code: 'template-unreadable',
      exit: Exit.usage,
      message: `the template ${env.template} of service "${service.name}" cannot be read`,
      remedy: 'correct "template" in the layout, or put the file there',
      location: { path: env.template },
    });
  }
  const keys = templateKeys(text);
  const own = Object.keys(env.keys);
  const foreign = Object.entries(keys.defaults).filter(([key]) => !own.includes(key));
  return {
    ...service,
    env: {
      ...env,
      required: [...new Set([...env.required, ...keys.required])],
      defaults: { ...Object.fromEntries(foreign), ...env.defaults },
      comments: keys.comments,
    },
  };
}
