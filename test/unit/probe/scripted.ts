import { afterEach } from 'vitest';
import { Secret } from '../../../src/model/secret.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import type { ProbeReport } from '../../../src/probe/check.ts';
import { type GateOptions, prove } from '../../../src/probe/gate.ts';
import { BEARER, type Handler, PASSWORD, Servers, type Wire } from '../../process/scripted-servers.ts';

const servers = new Servers();
afterEach(() => servers.close());

/** A server that answers HTTP as the handler says; closed after the test. */
export const serve = (handler: Handler): Promise<string> => servers.http(handler);

/** A server that does with each connection what it likes; closed after the test. */
export const serveRaw = (wire: Wire): Promise<string> => servers.raw(wire);

/** For a server that only the deadline ends. */
export const BRIEF = { timeoutMs: 600 };

/** A gate that does not pause for long. */
export const gate = (url: string, options: Partial<GateOptions> = {}): Promise<ProbeReport> =>
  prove({
    url,
    credential: { username: 'admin', bearer: new Secret(BEARER), password: new Secret(PASSWORD) },
    rounds: 3,
    timeoutMs: 20_000,
    maxPauseMs: 50,
    clock: systemClock,
    ...options,
  });

export const codes = (report: ProbeReport) => report.findings.map(({ code }) => code);
