import type { Credential } from '../src/model/credential.ts';
import type { Secret } from '../src/model/secret.ts';

/** The credential that ComfyUI takes: with the guard in it, it changes while ComfyUI goes on. */
export class LiveCredential {
  #current: Credential;
  #next: Credential | undefined;

  constructor(credential: Credential) {
    this.#current = credential;
  }

  get current(): Credential {
    return this.#current;
  }

  /** What PASSWORD has to hold. */
  get newest(): Credential {
    return this.#next ?? this.#current;
  }

  /** What ComfyUI may know by now, the likelier first: during a reload nobody can say which of the two. */
  get bearers(): Secret[] {
    return [this.#current, this.#next].flatMap((it) => (it === undefined ? [] : [it.bearer]));
  }

  /** From now on ComfyUI may take another one. */
  expect(next: Credential): void {
    this.#next = next;
  }

  /** ComfyUI has taken this one. */
  settle(credential: Credential): void {
    this.#current = credential;
    this.#next = undefined;
  }
}
