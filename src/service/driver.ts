import { Failure } from '../model/failure.ts';
import type { RestartDriver } from '../model/layout.ts';
import type { Container } from './container.ts';

/** What makes a service read its files again: a new container, a new process in the same one, or nothing. */
export type RestartAction = 'recreate' | 'restart' | 'none';

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
  restart(action: Exclude<RestartAction, 'none'>, signal?: AbortSignal): Promise<void>;
  /**
   * Ends the service at once, and keeps it from coming back by itself. Gives whether it is certainly ended: never where
   * the signal was aborted before that was known. Does not throw.
   */
  stop(signal?: AbortSignal): Promise<boolean>;
}
