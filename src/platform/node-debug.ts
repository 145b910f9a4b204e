import { Exit, Failure } from '../model/failure.ts';

/** Parts of Node whose debug output holds headers, bodies, arguments or environments. */
const TELLING = /(?:^|,)\s*(?:http\w*|net|tls|stream\w*|child_process|worker\w*|[^,]*\*[^,]*)\s*(?:,|$)/i;

/**
 * Refuses to handle secrets where NODE_DEBUG would print them. Node reads it at its start, so it cannot be
 * switched off from here. Throws a Failure (exit 2).
 */
export function refuseTellingDebug(env: NodeJS.ProcessEnv): void {
  if (!TELLING.test(env.NODE_DEBUG ?? '')) return;
  throw new Failure({
    code: 'node-debug',
    exit: Exit.usage,
    message: 'NODE_DEBUG is set so that Node would print requests and arguments, and with them secrets',
    remedy: 'unset NODE_DEBUG',
  });
}
