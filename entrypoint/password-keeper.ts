import { lstatSync } from 'node:fs';
import type { Secret } from '../src/model/secret.ts';
import { asRefusal } from './exit.ts';
import type { LiveCredential } from './live-credential.ts';
import type { LivePassword } from './live-password.ts';
import type { Log } from './log.ts';
import { Notices } from './notices.ts';
import { type LoginFiles, readDeployed } from './password-file.ts';
import { isSame } from './reload-decision.ts';

/** Who replaces PASSWORD in two steps is done with the second by then. */
const SETTLE_MS = 50;

/** Puts PASSWORD back where it is removed or emptied beside the guard, which answers nobody until then. */
export class PasswordKeeper {
  readonly #password: LivePassword;
  readonly #live: LiveCredential;
  readonly #log: Log;
  readonly #notices = new Notices(() => this.#soon());
  #look: NodeJS.Timeout | undefined;
  #foreign: Secret | undefined;
  /** Why it cannot be written, as it was said. */
  #told: string | undefined;

  constructor(password: LivePassword, live: LiveCredential, log: Log) {
    this.#password = password;
    this.#live = live;
    this.#log = log;
    this.#begin();
  }

  /** For a proof that cannot be repeated. Gives whether somebody else wrote PASSWORD: once for each that is found. */
  mend(): boolean {
    const { files } = this.#password;
    if (isLost(files.password)) {
      this.#restore();
      return false;
    }
    const deployed = deployedIn(files);
    if (deployed === undefined || isSame(this.#live.current, deployed)) return false;
    const isNew = this.#foreign?.equals(deployed.bearer) !== true;
    this.#foreign = deployed.bearer;
    return isNew;
  }

  /** With a last look: a guard that answers nobody does not say what is left in the queue. */
  close(): void {
    if (isLost(this.#password.files.password)) this.#restore();
    clearTimeout(this.#look);
    this.#notices.close();
  }

  /** What happened before there were notices is looked for. */
  #begin(): void {
    this.#notices.watch([this.#password.files.folder]);
    this.#soon();
  }

  #soon(): void {
    clearTimeout(this.#look);
    this.#look = setTimeout(() => {
      if (isLost(this.#password.files.password)) this.#restore();
    }, SETTLE_MS).unref();
  }

  #restore(): void {
    const { files } = this.#password;
    const written = this.#live.newest;
    // Trying to write is a notice, too: what cannot be written is tried again at the next proof.
    this.#notices.close();
    try {
      this.#password.write(written);
    } catch (error) {
      const { message, remedy, code } = asRefusal(error);
      // Not by the message: it names a file that is another one each time.
      const why = `${code} ${remedy}`;
      if (why === this.#told) return;
      this.#told = why;
      const words = `${message}; the guard answers nobody. Remedy: ${remedy}`;
      this.#log.error('password-lost', words, { code, remedy });
      return;
    }
    this.#told = undefined;
    // Where another one is on its way nobody can say whose sessions these are.
    if (written === this.#live.current) this.#password.keepSessions();
    this.#begin();
    this.#log.warning('password-restored', `${files.password} was removed or emptied: it was written again`);
  }
}

/** What cannot be looked at is not said to be lost. */
function isLost(path: string): boolean {
  try {
    return (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0;
  } catch {
    return false;
  }
}

function deployedIn(files: LoginFiles) {
  try {
    return readDeployed(files);
  } catch {
    // Something else stands in its place: that is no credential, and nothing to be written over.
    return undefined;
  }
}
