import { Failure } from '../model/failure.ts';
import type { RestartDriver } from '../model/layout.ts';
import type { Container } from './container.ts';

/** What gives a service a new process: in a new container, or in the same one. */
export type Restart = 'recreate' | 'restart';

/** What makes a service read its files again; `reload` leaves the process and has it read its PASSWORD anew. */
export type RestartAction = Restart | 'reload' | 'none';

/** A restart that did not even begin: the process of before still runs. */
export class NotBegun extends Failure {}

/** Makes a service read the credential again, and stops it. One per driver of the layout. */
export interface ServiceDriver {
  readonly name: RestartDriver['driver'];
  /**
   * The containers of the service, exactly: by compose's own labels, never by a name filter. None for a driver
   * without containers. Throws a Failure: `engine-unreachable`, `compose-missing`, `compose-failed` (exit 3);
   * `compose-file-missing` (exit 2). Rejects with the signal's reason where it is aborted.
   */
  containers(signal?: AbortSignal): Promise<Container[]>;
  /**
   * Makes the service read its files again, and starts one that is stopped or has no container yet; resolves when the
   * new process was started, however far it is. Throws a Failure (exit 5) `restart-failed`, or `restart-ineffective`
   * where the same process or container still runs, `NotBegun` where nothing was done; rejects with the signal's reason where it is aborted.
   */
  restart(action: Restart, signal?: AbortSignal): Promise<void>;
  /**
   * Ends the service at once, and keeps it from coming back by itself; takes some twenty seconds at most. Gives whether
   * that is certain: every container that this driver ever saw is gone or has ended, and so has whatever Compose lists.
   * Never where one cannot be accounted for, where nobody could be asked, or where the signal was aborted before it was
   * known. Does not throw.
   *
   * Certain of containers, that is, and so also where there never was one, as after a first start that failed. A server
   * that answers all the same is of another project or none: whoever heard it must ask it again.
   */
  stop(signal?: AbortSignal): Promise<boolean>;
}
