import { isMainThread } from 'node:worker_threads';

declare const __VERSION__: string;

// What is loaded before the command is known delays every command. So this file stands alone as index.cjs, and
// all the rest is in terminal.cjs beside it.
const argv = process.argv.slice(2);
if (!isMainThread) {
  void import('../platform/bcrypt-pool.ts').then(({ servesBcrypt }) => servesBcrypt());
} else if (argv.length === 1 && argv[0] === '--version') {
  process.stdout.write(`${__VERSION__}\n`);
} else {
  void import('./terminal.ts').then(({ runTerminal }) => runTerminal(argv, __filename));
}
