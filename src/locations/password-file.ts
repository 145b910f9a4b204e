import { isUtf8 } from 'node:buffer';
import type { Finding, Place } from '../model/finding.ts';
import { finding } from '../model/finding.ts';
import type { PasswordFileLocation } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import { type Adapter, asItIs, type LocationContent } from './adapter.ts';

/** What is wrong with the raw bytes of a PASSWORD file (contract.md, `password-file-malformed`). */
export type PasswordFileFault =
  | 'crlf'
  | 'blank'
  | 'bom'
  | 'no-username'
  | 'empty'
  | 'not-utf8'
  | 'extra-lines';

export interface PasswordFileContent {
  /** Line 1 as ComfyUI-Login reads it for the bearer: white space at its ends stripped. */
  bearer: string;
  username: string;
  fault?: PasswordFileFault;
}

/** The first fault of the raw bytes: the bearer may work where the form does not (container.md §1, F17, F4). */
function faultOf(text: string): PasswordFileFault | undefined {
  const [first = '', second = '', ...rest] = text.split('\n');
  if (text.trim() === '') return 'empty';
  if (text.startsWith('\uFEFF')) return 'bom';
  if (text.includes('\r')) return 'crlf';
  if (first.trim() === '') return 'empty';
  if (first !== first.trim()) return 'blank';
  if (second.trim() === '') return 'no-username';
  if (second !== second.trim()) return 'blank';
  return rest.some((line) => line !== '') ? 'extra-lines' : undefined;
}

/** Reads the bytes of a PASSWORD file: line 1 the bcrypt hash, line 2 the user name (domain.md §2). */
export function parsePasswordFile(bytes: Buffer): PasswordFileContent {
  if (!isUtf8(bytes)) return { bearer: '', username: '', fault: 'not-utf8' };
  const text = bytes.toString('utf8');
  const [first = '', second = ''] = text.split('\n');
  const fault = faultOf(text);
  return { bearer: first.trim(), username: second.trim(), ...(fault !== undefined && { fault }) };
}

/** The canonical bytes of a PASSWORD file: one line feed between, none after (container.md §4). */
export function formatPasswordFile(bearer: Secret, username: string): Buffer {
  return Buffer.from(`${bearer.reveal()}\n${username}`, 'utf8');
}

/** The PASSWORD file of ComfyUI-Login. */
export const passwordFile: Adapter<PasswordFileLocation> = {
  kind: 'password-file',

  slots: () => [{ holds: 'credential' }],

  read(bytes, location): LocationContent {
    const at = (line: number): Place => ({ path: location.path, kind: 'password-file', line });
    const { bearer, username, fault } = parsePasswordFile(bytes);
    const findings: Finding[] = [];
    if (fault !== undefined) {
      findings.push(
        finding('password-file-malformed', {
          ...(fault === 'extra-lines' && { severity: 'warning' }),
          location: at(fault === 'no-username' ? 2 : 1),
          args: { hint: fault },
        }),
      );
    }
    const parts: LocationContent['parts'] = [];
    if (bearer !== '') parts.push({ part: 'bearer', value: new Secret(bearer), place: at(1) });
    if (username !== '') parts.push({ part: 'username', value: new Secret(username), place: at(2) });
    return { parts, findings };
  },

  write(bytes, _location, wanted) {
    if (wanted.bearer === undefined) return asItIs(bytes);
    const now = bytes === null ? undefined : parsePasswordFile(bytes);
    const changed = [
      ...(now?.bearer === wanted.bearer.reveal() ? [] : ['bearer']),
      ...(now?.username === wanted.username ? [] : ['username']),
      ...(now?.fault === undefined ? [] : [now.fault]),
    ];
    if (changed.length === 0) return asItIs(bytes);
    return { ok: true, bytes: formatPasswordFile(wanted.bearer, wanted.username), changed };
  },
};
