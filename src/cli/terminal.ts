import { CommanderError } from 'commander';
import { asFailure, Exit, Failure } from '../model/failure.ts';
import { refuseTellingDebug } from '../platform/node-debug.ts';
import type { Action, CommandResult } from './actions.ts';
import { failureText } from './fail.ts';
import { program } from './program.ts';
import { print, type ScreenOptions, terminalWorld, wantsColor } from './screen.ts';

/** Runs one command and says its result; the exit code is the command's. */
async function run(
  index: string,
  name: string,
  action: () => Promise<Action>,
  args: string[],
  options: object,
): Promise<void> {
  const screen = options as ScreenOptions;
  const world = terminalWorld(screen, index);
  const start = world.clock.monotonicMs();
  const took = () => world.clock.monotonicMs() - start;
  try {
    const { result, text } = await (await action())(args, options, world, index);
    world.quietly();
    if (screen.json === true) {
      const { resultJson } = await import('../report/json.ts');
      await print([resultJson(result, took(), world.cwd)]);
    } else {
      const color = wantsColor(screen, process.stdout);
      const { root, layout } = result;
      await print(text({ color, root, layout, cwd: world.cwd }));
    }
    if (screen.verbose === true) process.stderr.write(`${aboutRun(result, took())}\n`);
    process.exitCode ||= result.exitCode;
  } catch (error) {
    world.quietly();
    await fail(name, asFailure(error), screen, took());
  }
}

/** What `--verbose` adds: which deployment it was, and how long it took. */
function aboutRun(result: CommandResult, ms: number): string {
  const { layout } = result;
  const found = layout === undefined ? `discovered in ${result.root}` : `layout ${layout}`;
  return `${result.command}: ${found}; exit ${result.exitCode} after ${(ms / 1000).toFixed(2)} s`;
}

async function fail(command: string, failure: Failure, screen: ScreenOptions, ms: number): Promise<void> {
  process.exitCode = failure.exit;
  if (screen.json === true) {
    const { failureJson } = await import('../report/json.ts');
    await print([failureJson(command, failure, ms)]);
    return;
  }
  process.stderr.write(`${failureText(failure).join('\n')}\n`);
}

/** A wrong command line without the values that were typed: one could be a secret in the wrong place. */
function usageFailure(error: CommanderError): Failure {
  const message = error.message
    .replace(/^error: /, '')
    .replace(/argument '.*' is invalid\./s, 'has a wrong value:')
    .replace(/(option '[^'=]*)=.*?'(?=\s|$)/s, "$1'")
    // -pSECRET, as other programs take it.
    .replace(/^(unknown option '-[^-]).*?'(?=\s|$)/s, "$1'")
    .replace(/^unknown command '.*'/s, 'unknown command');
  return new Failure({
    code: 'usage',
    exit: Exit.usage,
    message,
    remedy: 'comfyui-auth --help, or comfyui-auth COMMAND --help',
  });
}

/** The command that a line names, wherever its options stand; empty where it names none. */
function commandIn(argv: readonly string[]): string {
  const names = program(async () => undefined).commands.map((one) => one.name());
  return argv.find((word) => names.includes(word)) ?? '';
}

async function parse(argv: string[], index: string): Promise<void> {
  refuseTellingDebug(process.env);
  // The hidden command that plays ComfyUI's Python for the demonstration and the tests.
  if (argv[0] === 'stand-in-python') {
    const { standInPython } = await import('../stand-in/python.ts');
    process.exitCode = await standInPython(argv.slice(1), process.stdout, process.stderr);
    return;
  }
  const top = program((...given) => run(index, ...given));
  for (const command of [top, ...top.commands]) {
    command.exitOverride().configureOutput({ outputError: () => undefined });
  }
  try {
    await top.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version were asked for, and printed.
    if (error.exitCode === 0) return;
    if (error.code === 'commander.help') {
      process.exitCode = Exit.usage;
      return;
    }
    await fail(commandIn(argv), usageFailure(error), { json: argv.includes('--json') }, 0);
  }
}

/**
 * Runs the command line to its end. Sets the exit code; rejects with nothing, and prints no stack.
 * `index` is the program's own file: bcrypt's threads run it too.
 */
export async function runTerminal(argv: string[], index: string): Promise<void> {
  // A reader that went away (`| head`) is no error of ours; a result that was lost on a full disk is one.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode ||= Exit.unknown;
  });
  process.stderr.on('error', () => undefined);
  try {
    await parse(argv, index);
  } catch (error) {
    await fail(commandIn(argv), asFailure(error), { json: argv.includes('--json') }, 0);
  }
}
