import type { Part } from '../model/credential.ts';
import type { ReaderSpec } from '../model/layout.ts';

/** Where ComfyUI answers, unless the layout says otherwise. */
export const DEFAULT_URL = 'http://127.0.0.1:8188';

/** The keys of a service's `.env` that hold the credential, unless the layout says otherwise (contract.md). */
export const DEFAULT_KEYS: Readonly<Record<string, Part>> = {
  COMFYUI_USERNAME: 'username',
  COMFYUI_PASSWORD: 'password',
  COMFYUI_BEARER_TOKEN: 'bearer',
};

/** The readers of a service's `.env`, unless the layout says otherwise (readers.md, In short). */
export const DEFAULT_READERS: readonly ReaderSpec[] = [{ name: 'compose' }, { name: 'dotenv' }];

/** The readers of a single env key in another file, which no compose project reads. */
export const DEFAULT_KEY_READERS: readonly ReaderSpec[] = [{ name: 'dotenv' }];
