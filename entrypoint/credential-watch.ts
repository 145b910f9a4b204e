import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../src/platform/clock.ts';
import { readSecretText } from '../src/store/secret-file.ts';
import { text } from './environment.ts';
import { Notices, placesOf } from './notices.ts';
import { CREDENTIAL_VARIABLES } from './settings.ts';

/** The files that hold the credential; none where it stands in the environment itself. */
export const credentialFiles = (env: NodeJS.ProcessEnv): string[] =>
  CREDENTIAL_VARIABLES.flatMap((name) => text(env, `${name}_FILE`) ?? []);

/** A file that is a mount of its own shows no rename, and a host's write into it may come without a word. */
const POLL_MS = 250;

/** A folder with much traffic must not make us read at each of its events. */
const EVENT_MS = 10;

/** What is written in several steps is whole by then. */
const SETTLE_MS = 50;

/** A file that is gone or empty is most likely about to be written; what is refused may be half of a pair. */
const STANDS_MS = 2000;

/** The contents of all files at one moment, as digests under a key that nobody else has. */
interface Contents {
  digests: readonly string[];
  /** Of each file whether there is something in it. */
  whole: readonly boolean[];
}

const same = (a: Contents, b: Contents) => a.digests.every((digest, at) => digest === b.digests[at]);

const loses = (from: Contents, to: Contents) => from.whole.some((whole, at) => whole && !to.whole[at]);

/** Never equal to what is read. */
const NOTHING: Contents = { digests: [''], whole: [] };

/**
 * Watches the files of a credential, however they are replaced: by a rename, in place, by Kubernetes' swap of a link.
 * The system's notices make it fast, reading them again and again makes it sure. It keeps no process alive.
 */
export class CredentialWatch {
  readonly #paths: readonly string[];
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #key = randomBytes(32);
  readonly #poll: NodeJS.Timeout;
  readonly #notices = new Notices(() => this.#soon(EVENT_MS));
  #look: { timer: NodeJS.Timeout; dueMs: number } | undefined;
  #later: NodeJS.Timeout | undefined;
  #taken: Contents;
  /** Other contents than were taken, and since when they stand. */
  #seen: { contents: Contents; sinceMs: number } | undefined;
  #changedMs: number | undefined;

  /** `onChange` is told of contents that stand still, and are others than were taken. */
  constructor(paths: readonly string[], clock: Clock, onChange: () => void) {
    this.#paths = paths;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#taken = this.#read();
    this.#notices.watch(placesOf(this.#paths));
    this.#poll = setInterval(() => this.#compare(), POLL_MS).unref();
  }

  /** What stands there now is not what is in use: it is to be told, as a change would be. */
  doubt(): void {
    this.#taken = { ...NOTHING, whole: this.#taken.whole };
    this.#soon(0);
  }

  /** What stands there is about to be read. Gives since when it stands, where `onChange` was told of it. */
  take(): number | undefined {
    const now = this.#read();
    const changedMs = this.#changedMs;
    const sinceMs = same(now, this.#taken) ? changedMs : this.#clock.monotonicMs();
    this.#settle(now);
    return changedMs === undefined ? undefined : sinceMs;
  }

  /** Does something once what was taken has stood for a while; never where it changes before. */
  onceItStands(sinceMs: number, act: () => void): void {
    const leftMs = sinceMs + STANDS_MS - this.#clock.monotonicMs();
    clearTimeout(this.#later);
    const taken = this.#taken;
    this.#later = setTimeout(() => {
      this.#compare();
      if (this.#taken !== taken) return;
      if (this.#seen === undefined) act();
      else this.onceItStands(this.#clock.monotonicMs() - STANDS_MS + SETTLE_MS, act);
    }, leftMs).unref();
  }

  close(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#look?.timer);
    clearTimeout(this.#later);
    this.#notices.close();
  }

  #compare(): void {
    const contents = this.#read();
    if (same(contents, this.#taken)) {
      this.#seen = undefined;
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    if (this.#seen === undefined || !same(contents, this.#seen.contents)) {
      this.#seen = { contents, sinceMs: nowMs };
      this.#notices.watch(placesOf(this.#paths));
    }
    const { sinceMs } = this.#seen;
    const leftMs = sinceMs + (loses(this.#taken, contents) ? STANDS_MS : SETTLE_MS) - nowMs;
    if (leftMs > 0) {
      this.#soon(leftMs);
      return;
    }
    this.#settle(contents);
    this.#changedMs = sinceMs;
    this.#onChange();
  }

  #settle(contents: Contents): void {
    clearTimeout(this.#later);
    this.#taken = contents;
    this.#seen = undefined;
    this.#changedMs = undefined;
  }

  #soon(ms: number): void {
    const dueMs = this.#clock.monotonicMs() + ms;
    if (this.#look !== undefined && this.#look.dueMs <= dueMs) return;
    clearTimeout(this.#look?.timer);
    const timer = setTimeout(() => {
      this.#look = undefined;
      this.#compare();
    }, ms).unref();
    this.#look = { timer, dueMs };
  }

  #read(): Contents {
    const found = this.#paths.map(readSecretText);
    return {
      digests: found.map((it) => (it.ok ? this.#digest(it.text) : it.words)),
      whole: found.map((it) => it.ok && it.text !== ''),
    };
  }

  #digest(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('hex');
  }
}
