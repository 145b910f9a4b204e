import { isMainThread } from 'node:worker_threads';

declare const __VERSION__: string;

// What is loaded before the command is known delays every command: this file loads nothing else by itself.
const argv = process.argv.slice(2);
if (!isMainThread) {
  void import('../platform/bcrypt-pool.ts').then(({ servesBcrypt }) => servesBcrypt());
} else if (argv.length === 1 && argv[0] === '--version') {
  process.stdout.write(`${__VERSION__}\n`);
} else if (argv[0] === 'stand-in-python') {
  // The hidden command that plays ComfyUI's Python for the demonstration and the tests.
  void import('../stand-in/python.ts').then(async ({ standInPython }) => {
    process.exitCode = await standInPython(argv.slice(1), process.stdout, process.stderr);
  });
} else {
  void import('./run.ts').then(({ runTerminal }) => runTerminal(argv));
}
