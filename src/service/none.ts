import type { ServiceDriver } from './driver.ts';

/** A service that somebody else restarts and ends: nothing is done, nothing is known. */
export const noDriver: ServiceDriver = {
  name: 'none',
  containers: async () => [],
  restart: async () => undefined,
  stop: async () => false,
};
