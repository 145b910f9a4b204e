/** Why a live server was not reloaded. */
export const NOT_RELOADED = {
  unsupported: 'its guard cannot reload with the login node that runs there',
  absent: 'its server has no guard',
  unknown: 'its guard did not say that it has read PASSWORD anew',
  unauthorized: 'its guard knows neither the old bearer nor the new one',
  silent: 'its server does not answer',
  foreign: 'what answers there does not ask for a credential as ComfyUI-Login does',
  'old-accepted': 'the old bearer is still accepted',
  'old-unknown': 'the server did not say that it refuses the old bearer',
} as const;

/** The same, with what the guard says of what PASSWORD holds. */
export const notTaken = (code: string) => `its guard did not take what PASSWORD holds (${code})`;

/** Why a server cannot be reloaded, though that was asked for by name. */
export const NO_RELOAD = {
  absent: 'its server has no comfyui-auth guard, without which nothing reloads it',
  unsupported: NOT_RELOADED.unsupported,
  silent: 'nothing answers that could be asked to reload',
  open: 'its server is open to everyone who reaches it',
  stopped: 'it does not run, so there is nothing to reload',
  'made-with-one': 'its container was made with what is to be replaced, and would go back to it',
} as const;
