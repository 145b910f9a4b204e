import type { Part } from './credential.ts';

/** The programs that read a `.env` (design.md, Words). */
export const READER_NAMES = [
  'compose',
  'compose-v1',
  'docker-run',
  'dotenv',
  'python-dotenv',
  'posix',
  'systemd',
  'node',
  'kubectl',
] as const;
export type ReaderName = (typeof READER_NAMES)[number];

/**
 * A reader as a layout names it. Without `since`, all its versions in readers.md must agree;
 * `compose@2.24+` gives `since: '2.24'`.
 */
export interface ReaderSpec {
  name: ReaderName;
  since?: string;
}

/** Reads `compose`, `compose@2.24+`, `node@22+`; undefined where the text is none of these. */
export function parseReaderSpec(text: string): ReaderSpec | undefined {
  const match = /^([a-z0-9-]+?)(?:@(\d+(?:\.\d+)*)\+)?$/.exec(text);
  const name = READER_NAMES.find((known) => known === match?.[1]);
  if (name === undefined) return undefined;
  const since = match?.[2];
  return since === undefined ? { name } : { name, since };
}

/** The text form that `parseReaderSpec` reads. */
export function formatReaderSpec(spec: ReaderSpec): string {
  return spec.since === undefined ? spec.name : `${spec.name}@${spec.since}+`;
}

/** Who a file belongs to, as numbers. */
export interface Owner {
  uid: number;
  gid: number;
}

export interface EnvFileLocation {
  kind: 'env-file';
  /** Absolute path. */
  path: string;
  template?: string;
  readers: ReaderSpec[];
  /** Env keys that hold a part of the credential. */
  keys: Record<string, Part>;
  /** Keys that must have a value that is no placeholder. */
  required: string[];
  /** Keys that are added with this value where they are missing. */
  defaults: Record<string, string>;
  /** Comment lines, from the template, that go above a key that is added. */
  comments?: Record<string, string[]>;
}

export interface EnvKeyLocation {
  kind: 'env-key';
  path: string;
  key: string;
  holds: Part;
  readers: ReaderSpec[];
}

export interface TokenFileLocation {
  kind: 'token-file';
  path: string;
  holds: Part;
}

export interface ConfLocation {
  kind: 'conf-json';
  path: string;
}

export interface PasswordFileLocation {
  kind: 'password-file';
  path: string;
  owner?: Owner;
}

export type CredentialLocation = EnvKeyLocation | TokenFileLocation | ConfLocation | PasswordFileLocation;

/** How a service is made to read the credential again; `stop` ends it at once where it is found open. */
export type RestartDriver =
  | { driver: 'compose'; file: string; service: string }
  | { driver: 'command'; command: string[]; stop?: string[] }
  | { driver: 'none' };

/** What makes a service read its files again, as users choose it; `auto` decides by what changed. */
export const RESTART_CHOICES = ['auto', 'recreate', 'restart', 'reload', 'none'] as const;
export type RestartChoice = (typeof RESTART_CHOICES)[number];

/** One service: its locations, its readers, its address. All paths absolute. */
export interface ServiceLayout {
  name: string;
  url: string;
  origin?: string;
  owner?: Owner;
  restart: RestartDriver;
  env?: EnvFileLocation;
  /** The path of the location (or of the `.env`) where the truth is when no secret is handed in. */
  authority?: string;
  /** Whether the operator named the authority; one that was discovered settles no dispute. */
  authorityDeclared: boolean;
  locations: CredentialLocation[];
}

/** What is declared, or was discovered. */
export interface Layout {
  /** The folder that relative paths start from, absolute. */
  root: string;
  /** The file it was read from; absent where it was discovered. */
  file?: string;
  services: ServiceLayout[];
}
