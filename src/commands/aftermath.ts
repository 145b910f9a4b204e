import { asFailure, Exit, type ExitCode, Failure, worstExit } from '../model/failure.ts';
import type { Recovered } from './recovery.ts';
import type { Outcome } from './renew.ts';
import type { Outcomes } from './rollout.ts';

interface Note {
  words: string;
  exit: ExitCode;
}

/** What has happened to services before a Failure ends a command: a failure must not be the last that is heard of it. */
export class Aftermath {
  readonly #notes = new Map<string, Note>();

  /** A service that answered without a credential, and was ended. */
  open(service: string, { stopped }: Outcome): void {
    const end = stopped === true ? 'and was stopped' : 'and could NOT be stopped';
    this.#notes.set(service, { words: `was open to everyone who reaches it, ${end}`, exit: Exit.open });
  }

  /** All that were open. */
  opened(outcomes: Outcomes): void {
    for (const [{ service }, outcome] of outcomes) {
      if (outcome.wasOpen) this.open(service.name, outcome);
    }
  }

  /** A service that was ended since nothing is known of what it has read. */
  ended(service: string, certain: boolean): void {
    const before = this.#notes.get(service)?.exit === Exit.open ? 'was open to everyone, and ' : '';
    const end = certain ? 'was stopped' : 'could NOT be stopped, and may be open to everyone who reaches it';
    this.#notes.set(service, { words: `${before}${end}`, exit: Exit.notRestored });
  }

  /** A service that goes on with the new files. */
  stays(service: string): void {
    this.#notes.set(service, {
      words: 'runs with the new files, and was proven on them',
      exit: Exit.notRestored,
    });
  }

  /** A service that was brought back onto the old files. */
  back(service: string, asBefore: boolean): void {
    const words = asBefore
      ? 'is as it was before'
      : 'is NOT as it was before: comfyui-auth doctor tells how it stands';
    this.#notes.set(service, { words, exit: asBefore ? Exit.rolledBack : Exit.notRestored });
  }

  /** What the recovery of an interrupted command could not bring back. */
  recovered({ findings, exitCode }: Recovered): void {
    for (const { code, service, args } of findings) {
      if (service === undefined) continue;
      if (code === 'left-stopped') this.ended(service, args.certain === true);
      else if (!this.#notes.has(service))
        this.#notes.set(service, { words: 'is not proven', exit: exitCode });
    }
  }

  /** The error with all that. */
  of(error: unknown): unknown {
    if (this.#notes.size === 0) return error;
    const { code, exit, message, remedy, location } = asFailure(error);
    const notes = [...this.#notes.values()];
    const words = [...this.#notes].map(([service, note]) => `${service} ${note.words}`);
    return new Failure({
      code,
      exit: worstExit([exit, ...notes.map((one) => one.exit)]),
      message: [message.replace(/\.$/, ''), ...words].join('; '),
      remedy,
      ...(location !== undefined && { location }),
      cause: error,
    });
  }
}
