import { decodeEnv } from '../env-file/decode.ts';
import { isPlaceholder } from '../env-file/placeholder.ts';
import { readersFor } from '../env-file/readers/index.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { EnvFileLocation, ServiceLayout } from '../model/layout.ts';
import type { FileView } from './file-view.ts';

/** The keys of a template, their defaults, and the comment lines that stand right above each. */
function templateKeys(text: string): Pick<EnvFileLocation, 'required' | 'defaults'> & {
  comments: Record<string, string[]>;
} {
  const [dotenv] = readersFor({ name: 'dotenv' });
  const outcome = dotenv?.read(text);
  const lines = text.split(/\r?\n/);
  const required: string[] = [];
  const defaults: Record<string, string> = {};
  const comments: Record<string, string[]> = {};
  for (const [key, { value, line }] of outcome?.ok ? outcome.values : []) {
    required.push(key);
    if (value !== '' && !isPlaceholder(value)) defaults[key] = value;
    const above = lines.slice(0, line - 1);
    const from = above.findLastIndex((one) => !one.startsWith('#')) + 1;
    if (from < above.length) comments[key] = above.slice(from).map((one) => one.trimEnd());
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
