import type { Normalisation } from './normalise.ts';
import type { ReadFault } from './readers/index.ts';
import type { SpellingReason } from './spelling.ts';
import type { Difference } from './whole-file.ts';

/** One key to be set, or with `undefined` removed. */
export interface EnvEdit {
  key: string;
  value: string | undefined;
  /** Comment lines put above a key that is new. */
  comment?: readonly string[];
}

export type EditReason =
  | SpellingReason
  | ReadFault
  | Difference['reason']
  | 'unterminated-above'
  | 'nul-in-file';

/** Why nothing is written. `key` is the edited key, or the neighbour that would read differently. */
export interface EditRefusal {
  key?: string;
  /** The reader's id; `*` where it concerns all. */
  reader: string;
  reason: EditReason;
  character?: string;
  line?: number;
}

/** What was done beside setting values. */
export type EditNote =
  | { note: 'comment-moved' | 'comment-dropped' | 'export-removed' | 'reference-follows'; key: string }
  | { note: Normalisation };

export type EditResult =
  | { ok: true; text: string; changed: string[]; removedDuplicates: string[]; notes: EditNote[] }
  | { ok: false; refusals: EditRefusal[] };

/** What edits do beside setting values, as it is collected. */
export interface EditReport {
  removedDuplicates: string[];
  notes: EditNote[];
}
