import { statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { text } from '../environment.ts';
import { fail, type PreflightCheck, pass, skip } from './check.ts';

const ZONES = 'usr/share/zoneinfo';
/** POSIX: a name, an offset, and perhaps rules: `CET-1CEST,M3.5.0,M10.5.0/3`. */
const POSIX = /^(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?\d/;

/** The C library takes a TZ that it does not know for UTC, without a word. */
export const timeZone: PreflightCheck = {
  id: 'time-zone',
  severity: 'warning',
  run({ env, root }) {
    const zone = text(env, 'TZ')?.replace(/^:/, '');
    if (zone === undefined) return skip('TZ is not set');
    const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
    const known =
      /^(?:UTC|GMT)$/.test(zone) ||
      POSIX.test(zone) ||
      isFile(isAbsolute(zone) ? join(root, zone) : join(root, ZONES, zone));
    if (known) return pass('TZ names a time zone');
    return isFile(join(root, ZONES, 'Etc/UTC')) || isFile(join(root, ZONES, 'UTC'))
      ? fail(
          'TZ names no time zone: all times are UTC',
          `set TZ to a name below /${ZONES}, such as Europe/Paris`,
        )
      : fail('TZ has no effect: the image has no time zones', 'install tzdata in the image, or remove TZ');
  },
};
