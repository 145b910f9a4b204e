import type { Secret } from '../model/secret.ts';
import type { BcryptPort } from '../platform/bcrypt-pool.ts';
import type { Clock } from '../platform/clock.ts';
import type { ProcessPort } from '../platform/process.ts';

/** The outside world as a command sees it; each face makes one. */
export interface World {
  env: NodeJS.ProcessEnv;
  cwd: string;
  clock: Clock;
  process: ProcessPort;
  bcrypt: BcryptPort;
  /** Reads stdin to its end. */
  stdin(): Promise<string>;
  /** Says on stderr what is being done, where that takes more than a moment. */
  progress(line: string): void;
  /** Hears of every secret that a command finds or makes, before anything could print it; the action masks them. */
  learned?(secret: Secret): void;
}

/** Which deployment a command is about; what every command takes. */
export interface Target {
  /** `--root`: the folder of the deployment. */
  root?: string;
  /** `--layout`: a layout file other than the nearest `comfyui-auth.yml`. */
  layout?: string;
  /** `--service`: none means all. */
  services: readonly string[];
}

/** Secrets handed in beside the environment: by options of the terminal, or by inputs of the action. */
export interface HandedIn {
  username?: string;
  password?: string;
  bearer?: string;
  secretKey?: string;
  /** Where they came from, for messages: `--password-file F`, `input "password"`. */
  origin: string;
}
