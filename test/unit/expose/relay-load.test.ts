import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attempt, descriptors, everything, outcome, Stage } from './stage.ts';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.remove());

const MB = 1024 * 1024;

/** What comes at once on a machine that has time may take longer on one that has not. */
const SOON = { timeout: 20_000 };

describe('HTTP', () => {
  test('uploads of 100 MB arrive as they were', async () => {
    const server = createServer((asked, response) => {
      const hash = createHash('sha256');
      asked.on('data', (chunk) => hash.update(chunk));
      asked.once('end', () => response.end(hash.digest('hex')));
    });
    const { port } = await stage.open((socket) => server.emit('connection', socket));
    const sent = randomBytes(100 * MB);
    const upload = request({ host: '127.0.0.1', port, method: 'POST', path: '/upload/image' });
    upload.end(sent);
    const [response] = await once(upload, 'response');
    const [answer] = await once(response, 'data');
    expect(String(answer)).toBe(createHash('sha256').update(sent).digest('hex'));
  });

  test('a connection that becomes a WebSocket carries what either side says, at any time', async () => {
    const server = createServer();
    server.on('upgrade', (_, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
      socket.pipe(socket);
    });
    const { port } = await stage.open((socket) => server.emit('connection', socket));
    const headers = { connection: 'upgrade', upgrade: 'websocket' };
    const asking = request({ host: '127.0.0.1', port, path: '/ws', headers });
    asking.end();
    const [, socket] = (await once(asking, 'upgrade')) as [unknown, Socket];
    for (const frame of [randomBytes(2), randomBytes(125), randomBytes(1)]) {
      socket.write(frame);
      const [echo] = await once(socket, 'data');
      expect(echo).toEqual(frame);
    }
    socket.destroy();
  });
});

describe('a side that does not read', () => {
  /** As much as a sender gets rid of while nobody reads at the other end, until it stands still. */
  const standsStill = async (sender: Socket) => {
    const block = Buffer.alloc(MB);
    for (let sent = 0; sent < 512; sent++) {
      if (!sender.write(block)) {
        const drained = await Promise.race([once(sender, 'drain').then(() => true), still(sender)]);
        if (!drained) return sent;
      }
    }
    return Number.POSITIVE_INFINITY;
  };
  /** False once nothing has left a socket for two seconds. */
  const still = (sender: Socket) =>
    new Promise<boolean>((resolve) => {
      sender.setTimeout(2000, () => resolve(false));
    });

  test('holds its sender back: a client that does not read', async () => {
    const before = process.memoryUsage().arrayBuffers;
    let sent: Promise<number> | undefined;
    const { port } = await stage.open((socket) => {
      sent = standsStill(socket);
    });
    await stage.connect(port);
    await expect.poll(() => sent, SOON).toBeDefined();
    expect(await sent).toBeLessThan(64);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MB);
  });

  test('holds its sender back: a target that does not read', async () => {
    const { port } = await stage.open((socket) => socket.pause());
    expect(await standsStill(await stage.connect(port))).toBeLessThan(64);
  });
});

describe('many connections', () => {
  test('idle ones stay, and beyond the limit new ones are reset, which is said once', async () => {
    const { relay, port } = await stage.open((socket) => socket.pipe(socket), { limit: 500 });
    const clients = await Promise.all(Array.from({ length: 500 }, () => stage.connect(port)));
    await expect.poll(() => relay.connections, SOON).toBe(500);
    for (let more = 0; more < 3; more++) {
      expect(await attempt(port)).toBe('ECONNRESET');
    }
    expect(stage.events).toEqual([expect.stringMatching(/^relay-full: .* beside 500: /)]);
    for (const client of clients) client.end('x');
    const all = await Promise.all(clients.map(everything));
    expect(all.every((one) => String(one) === 'x')).toBe(true);
    await expect.poll(() => relay.connections, SOON).toBe(0);
    expect(String(await everything((await stage.connect(port)).end('again')))).toBe('again');
  });

  test('10,000 of them leave no descriptor behind, however they end', async () => {
    const { relay, port } = await stage.open((socket) => {
      socket.once('end', () => socket.end());
      socket.once('data', (data) => (String(data) === 'r' ? socket.resetAndDestroy() : socket.end(data)));
    });
    const before = descriptors();
    const ends = [
      async () => everything((await stage.connect(port)).end('x')),
      async () => outcome((await stage.connect(port)).end('r')),
      async () => (await stage.connect(port)).resetAndDestroy(),
      async () => (await stage.connect(port)).destroy(),
    ];
    for (let round = 0; round < 100; round++) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => ends[i % ends.length]?.()));
    }
    await expect.poll(() => relay.connections, SOON).toBe(0);
    await expect.poll(descriptors, SOON).toBeLessThanOrEqual(before);
  });
});
