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
  /** The path as people read it, quoted for a command line where need be. */
  path: string;
  /** `--service NAME `, with its blank, or nothing. */
  service: string;
  /** ` --root DIR`, with its blank, where it is not the working folder. */
  root: string;
}

export type WordTable<C extends FindingCode> = Record<C, (context: WordContext) => Words>;
