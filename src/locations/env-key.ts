import { decodeEnv } from '../env-file/decode.ts';
import { editEnv } from '../env-file/edit.ts';
import type { EditRefusal } from '../env-file/edit-result.ts';
import { type Finding, finding, type Place } from '../model/finding.ts';
import type { EnvKeyLocation } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import { type Adapter, asItIs, wantedPart } from './adapter.ts';
import { envValue, keyFindings, rejections, viewEnv } from './env-values.ts';

/** What keeps a value from being written, as findings. */
export function refusalFindings(refusals: readonly EditRefusal[], place: Place): Finding[] {
  return refusals.map(({ key, reader, reason, character, line }) => {
    const location: Place = {
      ...place,
      ...(key !== undefined && { key }),
      ...(line !== undefined && { line }),
    };
    const args = {
      reader,
      reason,
      ...(key !== undefined && { key }),
      ...(character !== undefined && { character }),
    };
    return finding(key === undefined ? 'env-file-rejected' : 'unspellable', { location, args });
  });
}

/** One key of a `.env` that holds one part. */
export const envKey: Adapter<EnvKeyLocation> = {
  kind: 'env-key',

  slots: (location) => [{ holds: location.holds, key: location.key }],

  read(bytes, location, expected) {
    const place: Place = { path: location.path, kind: 'env-key' };
    const view = viewEnv(bytes, location.readers, place);
    if ('code' in view) return { parts: [], findings: [view] };
    const findings = rejections(view, place);
    const wanted = expected === undefined ? undefined : wantedPart(expected, location.holds);
    const value = envValue(view, location.key, wanted);
    const at: Place = { ...place, key: location.key };
    if (value === undefined) {
      findings.push(finding('key-missing', { location: at, args: { key: location.key } }));
      return { parts: [], findings };
    }
    findings.push(...keyFindings(location.key, value, location.holds, place));
    if (value.meant === '') {
      const where = { ...at, line: value.line };
      findings.push(finding('key-empty', { location: where, args: { key: location.key } }));
      return { parts: [], findings };
    }
    const held = { part: location.holds, value: new Secret(value.meant), place: { ...at, line: value.line } };
    return { parts: [held], findings };
  },

  write(bytes, location, wanted) {
    const place: Place = { path: location.path, kind: 'env-key' };
    const before = bytes ?? Buffer.alloc(0);
    const decoded = decodeEnv(before);
    if (!decoded.ok) {
      const reason = { reader: '*', reason: 'not-unicode' };
      const where = { ...place, line: decoded.line };
      return { ok: false, findings: [finding('env-file-rejected', { location: where, args: reason })] };
    }
    const value = wantedPart(wanted, location.holds);
    if (value === undefined) return asItIs(bytes);
    const result = editEnv(decoded.text, [{ key: location.key, value }], location.readers, []);
    if (!result.ok) return { ok: false, findings: refusalFindings(result.refusals, place) };
    if (result.text === decoded.text) return asItIs(bytes);
    const changed = [...new Set([...result.changed, ...result.removedDuplicates])];
    return { ok: true, bytes: Buffer.from(result.text, 'utf8'), changed };
  },
};
