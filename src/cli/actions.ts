import type { handedInByOptions } from '../commands/sources.ts';
import type { Target, World } from '../commands/world.ts';
import type { ExitCode } from '../model/failure.ts';
import type { Finding } from '../model/finding.ts';
import type { TextOptions } from '../report/text.ts';

/** What every command gives back. */
export interface CommandResult {
  command: string;
  status: string;
  exitCode: ExitCode;
  root: string;
  layout?: string;
  findings: readonly Finding[];
}

/** A command for the terminal: runs it, and can say its result in words. */
export type Action = (
  args: string[],
  options: object,
  world: World,
  /** The program's own file. */
  index: string,
) => Promise<{ result: CommandResult; text: (options: TextOptions) => string[] }>;

/** Options as commander gives them. */
export interface TargetOptions {
  root?: string;
  layout?: string;
  service?: string[];
}

export type SecretOptions = Parameters<typeof handedInByOptions>[0];

/** The common options as a command takes them. */
export function targetOf(options: TargetOptions): Target {
  return {
    services: options.service ?? [],
    ...(options.root !== undefined && { root: options.root }),
    ...(options.layout !== undefined && { layout: options.layout }),
  };
}
