import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/model/secret.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { checkUntilSaid } from '../../../src/probe/until-said.ts';
import { BEARER, type Handler, STATS } from '../../process/scripted-servers.ts';
import { serve } from './scripted.ts';

/** Says 503 to so many checks, then what is given; keeps everybody else out. */
async function busyFor(checks: number, then: Handler) {
  let asked = 0;
  const url = await serve((request, response) => {
    if (request.headers.authorization === undefined) {
      asked += request.url === '/system_stats' ? 1 : 0;
      return response.writeHead(asked > checks ? 401 : 503).end();
    }
    const isKnown = request.headers.authorization === `Bearer ${BEARER}`;
    return isKnown ? then(request, response) : response.writeHead(401).end();
  });
  const credential = { username: '', bearer: new Secret(BEARER) };
  const said = await checkUntilSaid({ url, credential, clock: systemClock });
  return [said.status, asked];
}

const accept: Handler = (_, response) => response.end(STATS);
const refuse: Handler = (_, response) => response.writeHead(401).end();

describe('what a server says to one bearer', () => {
  it('is taken from the first answer that says anything', async () => {
    expect(await busyFor(0, accept)).toEqual(['proved', 1]);
    expect(await busyFor(0, refuse)).toEqual(['refused', 1]);
  });

  it('is asked again where the server is busy', async () => {
    expect(await busyFor(1, accept)).toEqual(['proved', 2]);
    expect(await busyFor(2, refuse)).toEqual(['refused', 3]);
  });

  it('is not known in the end where it stays busy', async () => {
    expect(await busyFor(9, accept)).toEqual(['not-ready', 3]);
  });

  it('is of no matter where it lets everybody in', async () => {
    const url = await serve(accept);
    const credential = { username: '', bearer: new Secret(BEARER) };
    expect((await checkUntilSaid({ url, credential, clock: systemClock })).status).toBe('open');
  });
});
