import type { FindingArgs, FindingCode, LocationKind } from '../model/finding.ts';

/** The words of a finding: what is so, and the one thing to do about it. */
export interface Words {
  message: string;
  remedy: string;
}

/** What a finding's words are made of. */
export interface WordContext {
  args: FindingArgs;
  /** What the place is, where the finding has one. */
  kind: LocationKind | undefined;
  /** The path as people read it, for messages: relative to the deployment's folder. */
  path: string;
  /** The path for commands: relative to the working folder or absolute, quoted for a shell where need be. */
  target: string;
  /** The deployment's folder for commands, as `target`. */
  folder: string;
  /** `--service NAME `, with its blank, or nothing. */
  service: string;
  /** ` --layout FILE` or ` --root DIR`, with its blank, where the working folder does not say it. */
  root: string;
  /** Another path for commands, as `target`. */
  word(path: string): string;
}

export type WordTable<C extends FindingCode> = Record<C, (context: WordContext) => Words>;
