import { decodeEnv } from '../env-file/decode.ts';
import { editEnv } from '../env-file/edit.ts';
import type { EnvEdit } from '../env-file/edit-result.ts';
import { isPlaceholder } from '../env-file/placeholder.ts';
import { readersFor } from '../env-file/readers/index.ts';
import type { Part } from '../model/credential.ts';
import { type Finding, type FindingArgs, finding, type Place } from '../model/finding.ts';
import type { EnvFileLocation } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import { type Adapter, asItIs, type HeldPart, type WantedParts, wantedPart } from './adapter.ts';
import { refusalFindings } from './env-key.ts';
import { type EnvValue, type EnvView, envValue, keyFindings, rejections, viewEnv } from './env-values.ts';

/** Variables that operators set and that nothing reads, in no container of ours either (domain.md §2). */
const UNREAD = ['CORS_ENABLED'];

const FALSE = /^(?:false|0|no|off)$/i;

/** The keys that must have a value, credential's keys first. */
function neededKeys(location: EnvFileLocation): string[] {
  return [...new Set([...Object.keys(location.keys), ...location.required])];
}

/** A needed key that has no value, or a placeholder for one; `more` says what else is known of the key. */
function needFinding(
  key: string,
  value: EnvValue | undefined,
  place: Place,
  more: FindingArgs,
): Finding | undefined {
  const location: Place = { ...place, key, ...(value !== undefined && { line: value.line }) };
  const args = { key, ...more };
  if (value === undefined) return finding('key-missing', { location, args });
  if (value.meant === '') return finding('key-empty', { location, args });
  if (isPlaceholder(value.meant)) return finding('placeholder', { location, args });
  return undefined;
}

/** Which part of the credential a key holds: only the credential fills it, no variable does. */
function heldBy(location: EnvFileLocation, key: string): { holds?: Part } {
  const part = own(location.keys, key);
  return part === undefined ? {} : { holds: part };
}

/** Placeholders, unread variables and switches among the keys that nobody declared. */
function foreignFindings(view: EnvView, bytes: Buffer, location: EnvFileLocation, place: Place): Finding[] {
  const needed = new Set(neededKeys(location));
  const reading = readersFor({ name: 'dotenv' })[0]?.read(bytes.toString('utf8'));
  if (reading === undefined || !reading.ok) return [];
  const findings: Finding[] = [];
  for (const [key, { value, line }] of reading.values) {
    const at: Place = { ...place, key, line };
    if (UNREAD.includes(key)) findings.push(finding('variable-unread', { location: at, args: { key } }));
    if (!needed.has(key) && isPlaceholder(value)) {
      findings.push(finding('placeholder', { severity: 'warning', location: at, args: { key } }));
    }
  }
  const login = envValue(view, 'COMFYUI_LOGIN_ENABLED');
  if (login !== undefined && FALSE.test(login.meant)) {
    const at: Place = { ...place, key: 'COMFYUI_LOGIN_ENABLED', line: login.line };
    findings.push(finding('login-disabled', { location: at, args: { key: 'COMFYUI_LOGIN_ENABLED' } }));
  }
  return findings;
}

/** What a table says of a key. A key may be called `constructor`, which every object inherits. */
function own<T>(table: Record<string, T> | undefined, key: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}

/** The value of a key where it is there and real. */
function realValue(view: EnvView, key: string): string | undefined {
  const meant = envValue(view, key)?.meant;
  return meant === undefined || meant === '' || isPlaceholder(meant) ? undefined : meant;
}

/** The value that counts of a key that stands twice: all the others are to go. */
function duplicated(view: EnvView, key: string): string | undefined {
  const value = envValue(view, key);
  return value !== undefined && value.count > 1 ? value.meant : undefined;
}

/** What has to be written: the credential's keys, the variables handed in, defaults where nothing real stands. */
function dueEdits(view: EnvView, location: EnvFileLocation, wanted: WantedParts): EnvEdit[] {
  const edits: EnvEdit[] = [];
  for (const key of neededKeys(location)) {
    const part = own(location.keys, key);
    const value =
      (part === undefined ? undefined : wantedPart(wanted, part)) ??
      wanted.variables?.get(key)?.reveal() ??
      (realValue(view, key) === undefined ? own(location.defaults, key) : undefined) ??
      duplicated(view, key);
    const comment = own(location.comments, key);
    if (value !== undefined) edits.push({ key, value, ...(comment !== undefined && { comment }) });
  }
  for (const [key, value] of wanted.variables ?? []) {
    if (!edits.some((edit) => edit.key === key)) edits.push({ key, value: value.reveal() });
  }
  return edits;
}

/** The required keys that would stand without a real value after all edits. */
function unmetKeys(view: EnvView, location: EnvFileLocation, edits: readonly EnvEdit[]): string[] {
  const real = edits.filter(({ value = '' }) => value !== '' && !isPlaceholder(value));
  const given = new Set(real.map((edit) => edit.key));
  return location.required.filter((key) => !given.has(key) && realValue(view, key) === undefined);
}

/** The `.env` of a service: the parts of the credential, and the keys that must be there. */
export const envFile: Adapter<EnvFileLocation> = {
  kind: 'env-file',

  slots: (location) => Object.entries(location.keys).map(([key, holds]) => ({ key, holds })),

  read(bytes, location, expected) {
    const place: Place = { path: location.path, kind: 'env-file' };
    const view = viewEnv(bytes, location.readers, place);
    if ('code' in view) return { parts: [], findings: [view] };
    const findings = rejections(view, place);
    const parts: HeldPart[] = [];
    for (const key of neededKeys(location)) {
      const part = own(location.keys, key);
      const wanted = part === undefined || expected === undefined ? undefined : wantedPart(expected, part);
      const value = envValue(view, key, wanted);
      const need = needFinding(key, value, place, heldBy(location, key));
      if (need !== undefined) findings.push(need);
      if (value === undefined) continue;
      findings.push(...keyFindings(key, value, part, place));
      if (part !== undefined && need === undefined) {
        parts.push({ part, value: new Secret(value.meant), place: { ...place, key, line: value.line } });
      }
    }
    findings.push(...foreignFindings(view, bytes, location, place));
    return { parts, findings };
  },

  write(bytes, location, wanted) {
    const place: Place = { path: location.path, kind: 'env-file' };
    const before = bytes ?? Buffer.alloc(0);
    const view = viewEnv(before, location.readers, place);
    if ('code' in view) return { ok: false, findings: [view] };
    const edits = dueEdits(view, location, wanted);
    const unmet = unmetKeys(view, location, edits);
    if (unmet.length > 0) {
      const missing = unmet.map((key) => {
        const held = heldBy(location, key);
        // A part that stays unmet is one that the source did not give.
        const more = held.holds === undefined ? {} : { ...held, given: false };
        return (
          needFinding(key, envValue(view, key), place, more) ??
          finding('key-missing', { location: place, args: { key, ...more } })
        );
      });
      return { ok: false, findings: missing };
    }
    const decoded = decodeEnv(before);
    const text = decoded.ok ? decoded.text : '';
    const result = editEnv(text, edits, location.readers, neededKeys(location));
    if (!result.ok) return { ok: false, findings: refusalFindings(result.refusals, place) };
    if (result.text === text) return asItIs(bytes);
    const changed = [...new Set([...result.changed, ...result.removedDuplicates])];
    return { ok: true, bytes: Buffer.from(result.text, 'utf8'), changed };
  },
};
