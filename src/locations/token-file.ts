import { finding, type Place } from '../model/finding.ts';
import type { TokenFileLocation } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import { type Adapter, asItIs, wantedPart } from './adapter.ts';

const LINE_END = /(\r?\n)?$/;

/** A file whose whole content is one part. One final line end is allowed and kept; a new file has none. */
export const tokenFile: Adapter<TokenFileLocation> = {
  kind: 'token-file',

  slots: (location) => [{ holds: location.holds }],

  read(bytes, location) {
    const place: Place = { path: location.path, kind: 'token-file', line: 1 };
    const value = bytes.toString('utf8').replace(LINE_END, '');
    if (value === '') {
      const empty = finding('key-empty', { location: place, args: { key: location.holds } });
      return { parts: [], findings: [empty] };
    }
    return { parts: [{ part: location.holds, value: new Secret(value), place }], findings: [] };
  },

  write(bytes, location, wanted) {
    const value = wantedPart(wanted, location.holds);
    if (value === undefined) return asItIs(bytes);
    const end = LINE_END.exec(bytes?.toString('utf8') ?? '')?.[0] ?? '';
    // A file that already says so is left alone, down to the spelling of its line end.
    if (bytes?.toString('utf8') === value + end) return asItIs(bytes);
    const next = Buffer.from(value + (end === '' ? '' : '\n'));
    return { ok: true, bytes: next, changed: [location.holds] };
  },
};
