import { Failure } from '../../src/model/failure.ts';
import { errnoOf } from '../../src/store/system-call.ts';

/** Several containers may share a volume, and restore into it at the same time. */
const ATTEMPTS = 5;
/** Another start has taken our copy in the making for a leftover, or has put its own there first. */
const LOST_RACE = ['ENOENT', 'ENOTEMPTY', 'EEXIST'];

/** How a node comes to stand where it should. */
export interface Settling<Seen, Found> {
  look(): Seen;
  /** Undefined where it is not as it should be. */
  judge(seen: Seen): Found | undefined;
  put(seen: Seen): void;
  /** Why it is given up, though nothing failed. */
  gone(seen: Seen): Error;
  /** Why it could not be put there. */
  failed(failure: Failure): Error;
}

/** Looks, and puts the node there until it stands there, a few times at most. */
export function settle<Seen, Found>({ look, judge, put, gone, failed }: Settling<Seen, Found>): Found {
  for (let attempt = 1; ; attempt++) {
    const seen = look();
    const found = judge(seen);
    if (found !== undefined) return found;
    if (attempt > ATTEMPTS) throw gone(seen);
    try {
      put(seen);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (attempt < ATTEMPTS && LOST_RACE.includes(errnoOf(error.cause))) continue;
      throw failed(error);
    }
  }
}
