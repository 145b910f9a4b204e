import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshSecret } from '../../process/deployment.ts';
import type { HostProcess } from './host-process.ts';
import { answerTo, bearer, LoadClient } from './load-client.ts';
import { LoadRig, residentMb } from './load-rig.ts';
import { EchoSocket } from './load-socket.ts';
import { withoutPython } from './python.ts';
import { LOGIN_NODES } from './rig.ts';

const MB = 1024 * 1024;
const UPLOAD = 100 * MB;

describe.skipIf(withoutPython()).each(LOGIN_NODES)('what passes the guard, over $name', (login) => {
  const rig = new LoadRig(login);
  const { password, hash } = rig;
  let server: HostProcess;
  let client: LoadClient;
  beforeAll(async () => {
    server = await rig.start();
    client = new LoadClient(server.port);
  });
  afterAll(async () => {
    client.close();
    await rig.remove();
  });

  test.each([
    ['the bearer', hash],
    ['the password as bearer', password],
  ])('an upload streams, whole, with %s', async (_, token) => {
    const id = freshSecret();
    const block = randomBytes(MB);
    const digest = createHash('sha256');
    const before = residentMb(server);
    const upload = client.begin(`/load/upload/${id}`, { method: 'POST', headers: bearer(token) });
    const answer = answerTo(upload);
    let most = 0;
    for (let sent = 0; sent < UPLOAD; sent += block.length) {
      block.writeUInt32LE(sent);
      digest.update(block);
      if (!upload.write(Buffer.from(block))) await once(upload, 'drain');
      // The handler has the first byte long before the last is sent: else this would never be answered.
      if (sent === 0) expect((await client.ask(`/load/begun/${id}`, bearer(hash))).status).toBe(200);
      most = Math.max(most, residentMb(server));
    }
    upload.end();
    expect(await answer).toMatchObject({ status: 200, body: digest.digest('hex') });
    expect(most - before, 'MB that the server held more').toBeLessThan(40);
  });

  test('a download comes as it is written', async () => {
    const download = client.begin('/load/download/slow', { headers: bearer(hash) });
    download.end();
    const [response] = (await once(download, 'response')) as [IncomingMessage];
    const parts = response.setEncoding('utf8')[Symbol.asyncIterator]();
    expect((await parts.next()).value).toBe('first');
    expect((await client.ask('/load/release/slow', bearer(hash), '')).status).toBe(200);
    expect((await parts.next()).value).toBe('second');
    expect((await parts.next()).done).toBe(true);
  });

  test('a WebSocket says what it is told, by header and by ?token=', async () => {
    const query = `/load/echo?token=${encodeURIComponent(hash)}`;
    const sockets = [
      await EchoSocket.open(client, '/load/echo', bearer(hash)),
      await EchoSocket.open(client, '/load/echo', bearer(password)),
      await EchoSocket.open(client, query),
    ];
    const text = 'x'.repeat(60_000);
    for (const socket of sockets) expect(await socket.echo(text)).toBe(text);
    for (const socket of sockets) socket.close();
  });

  test('without a credential nothing of it reaches the handler', async () => {
    const upload = client.begin('/load/upload/nobody', { method: 'POST' });
    const answer = answerTo(upload);
    upload.end('x'.repeat(1000));
    expect((await answer).status).toBe(401);
    const begun = client.begin('/load/begun/nobody', { headers: bearer(hash) });
    begun.end();
    const answered = answerTo(begun).then(() => 'begun');
    const after = client.ask('/queue', bearer(hash)).then(() => 'not begun');
    expect(await Promise.race([answered, after])).toBe('not begun');
    begun.destroy();
    await expect(EchoSocket.open(client, '/load/echo')).rejects.toThrow('401');
    await expect(EchoSocket.open(client, '/load/echo?token=')).rejects.toThrow('401');
  });
});
