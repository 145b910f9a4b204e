import { isPlaceholder } from '../env-file/placeholder.ts';
import { isBcryptHash, isUsableHash } from '../model/bcrypt.ts';
import { type BearerDiagnosis, diagnoseBearer, undoubled } from '../model/forensics.ts';
import type { Secret } from '../model/secret.ts';
import type { BcryptPort, Pair } from '../platform/bcrypt-pool.ts';
import { distinctValues, type KnownValue, type Observation } from './gather.ts';
import type { Resolution } from './resolve.ts';

/** The place of a plaintext, as a finding names it: file, and key where there is one. */
function placeName({ places }: KnownValue): string {
  const [first] = places;
  if (first === undefined) return 'the handed-in password';
  return first.key === undefined ? first.path : `${first.path} ${first.key}`;
}

/**
 * Which hash belongs to which plaintext. Each hash that is not the expected one is tried against every plaintext
 * known in the tree: one that "matched nothing" had only been compared with one of them (domain.md §1, I3).
 */
export class Lineage {
  readonly #plaintexts: KnownValue[];
  readonly #known: Secret[];
  readonly #verified: ReadonlySet<string>;

  private constructor(plaintexts: KnownValue[], known: Secret[], verified: ReadonlySet<string>) {
    this.#plaintexts = plaintexts;
    this.#known = known;
    this.#verified = verified;
  }

  /** Computes all pairs that the judgements need, together. */
  static async trace(
    observations: readonly Observation[],
    resolution: Resolution,
    bcrypt: BcryptPort,
  ): Promise<Lineage> {
    const { bearer, password } = resolution;
    const deployed = distinctValues(observations, 'bearer', undefined).map((one) => one.value);
    const plaintexts = distinctValues(observations, 'password', undefined).filter(
      (one) => !isPlaceholder(one.value.reveal()),
    );
    if (password !== undefined && !plaintexts.some((one) => one.value.equals(password))) {
      plaintexts.unshift({ value: password, places: [] });
    }
    const good = deployed.filter((one) => isUsableHash(one.reveal()));
    const strangers = good.filter(
      (one) => bearer === undefined || resolution.pair === 'mismatch' || !one.equals(bearer),
    );
    const repaired = deployed
      .filter((one) => !isBcryptHash(one.reveal()))
      .flatMap((one) => undoubled(one.reveal()));
    // A bearer that came alone is compared with every plaintext that is to fit it.
    const alone = bearer !== undefined && password === undefined ? [bearer] : [];
    const hashes = [...strangers, ...repaired, ...alone];
    const pairs = plaintexts.flatMap(({ value }) => hashes.map((hash): Pair => [value, hash]));
    const verdicts = await bcrypt.verifyAll(pairs);
    const verified = new Set(pairs.filter((_, i) => verdicts[i]).map(([plain, hash]) => keyOf(plain, hash)));
    const proven = repaired.filter((hash) =>
      plaintexts.some(({ value }) => verified.has(keyOf(value, hash))),
    );
    const known = [...(bearer === undefined ? [] : [bearer]), ...good, ...proven];
    return new Lineage(plaintexts, known, verified);
  }

  /** Whether the hash is the plaintext's, among the pairs that were computed. */
  verified(plaintext: Secret, hash: Secret): boolean {
    return this.#verified.has(keyOf(plaintext, hash));
  }

  /** Where the plaintext stands that opens this hash, if it is another than the expected password. */
  openedBy(hash: Secret, expected: Secret | undefined): string | undefined {
    const opener = this.#plaintexts.find(({ value }) => this.verified(value, hash));
    if (opener === undefined || (expected !== undefined && opener.value.equals(expected))) return undefined;
    return placeName(opener);
  }

  /** How a malformed bearer came about, compared with every hash of the tree. */
  diagnose(bearer: Secret): BearerDiagnosis {
    return diagnoseBearer(bearer.reveal(), this.#known);
  }
}

const keyOf = (plaintext: Secret, hash: Secret) => `${hash.reveal()}\0${plaintext.reveal()}`;
