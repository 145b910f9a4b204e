import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Refusal } from '../../../entrypoint/exit.ts';
import { reset } from '../../../entrypoint/expose/pair.ts';
import { attempt, descriptors, everything, outcome, Stage, tryToConnect } from './stage.ts';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.remove());

const MB = 1024 * 1024;

/** What comes at once on a machine that has time may take longer on one that has not. */
const SOON = { timeout: 20_000 };

describe('the published port', () => {
  test('refuses before the relay is opened, and again from the moment it is closed', async () => {
    const port = await stage.freePort();
    const relay = stage.relay(await stage.listen((socket) => socket.end('hello')), port);
    expect(await tryToConnect(port)).toBe('ECONNREFUSED');
    await relay.open();
    expect(String(await everything(await stage.connect(port)))).toBe('hello');
    relay.close();
    expect(await tryToConnect(port)).toBe('ECONNREFUSED');
    await relay.open();
    expect(String(await everything(await stage.connect(port)))).toBe('hello');
  });

  test('is bound once, however often the relay is opened', async () => {
    const { relay, port } = await stage.open((socket) => socket.end('hello'));
    await Promise.all([relay.open(), relay.open()]);
    relay.close();
    relay.close();
    expect(await tryToConnect(port)).toBe('ECONNREFUSED');
  });

  test('stays closed where the relay is closed while it opens', async () => {
    const port = await stage.freePort();
    const relay = stage.relay(await stage.listen((socket) => socket.end('hello')), port);
    const opened = relay.open();
    relay.close();
    await opened;
    expect(await tryToConnect(port)).toBe('ECONNREFUSED');
    await relay.open();
    expect(await tryToConnect(port)).toBe('connected');
  });

  test('taken by another: 78, and it can be opened once that one is gone', async () => {
    const port = await stage.freePort();
    const target = await stage.listen((socket) => socket.end('hello'));
    const other = stage.relay(target, port);
    await other.open();
    const relay = stage.relay(target, port);
    const refused = await relay.open().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refusal);
    expect(refused).toMatchObject({
      code: 'port-taken',
      exit: 78,
      message: expect.stringContaining(`:${port}`),
    });
    other.close();
    await relay.open();
    expect(await tryToConnect(port)).toBe('connected');
  });
});

describe('bytes', () => {
  test('pass both ways at once, as they are', async () => {
    const { port } = await stage.open((socket) => socket.pipe(socket));
    const sent = randomBytes(100 * MB);
    const client = await stage.connect(port);
    client.end(sent);
    expect((await everything(client)).equals(sent)).toBe(true);
  });

  test('of many transfers at once, a third of them cut off, are never mixed up', async () => {
    const { relay, port } = await stage.open((socket) => {
      const sent = randomBytes(12 * MB);
      // The checksum goes ahead of what it is for.
      socket.write(createHash('sha256').update(sent).digest());
      socket.end(sent);
    });
    const clients = await Promise.all(Array.from({ length: 24 }, () => stage.connect(port)));
    // Nobody reads on before something waits for each: then much waits in the relay.
    await Promise.all(clients.map((client) => once(client, 'readable')));
    for (const client of clients.splice(0, 8)) client.resetAndDestroy();
    const wholes = await Promise.all(clients.map((client) => everything(client.end())));
    for (const whole of wholes) {
      const checksum = createHash('sha256').update(whole.subarray(32)).digest();
      expect(checksum.equals(whole.subarray(0, 32))).toBe(true);
    }
    await expect.poll(() => relay.connections, SOON).toBe(0);
  });

  test('pass one by one without waiting for more', async () => {
    const { port } = await stage.open((socket) => socket.pipe(socket));
    const client = await stage.connect(port);
    for (const byte of randomBytes(200)) {
      client.write(Buffer.of(byte));
      const [answer] = await once(client, 'data');
      expect(answer).toEqual(Buffer.of(byte));
    }
  });

  test('of a target that has ended arrive whole, and the client may go on', async () => {
    let heard = '';
    const { port } = await stage.open((socket) => {
      socket.end('all that I have');
      void everything(socket).then((all) => {
        heard = String(all);
      });
    });
    const client = await stage.connect(port);
    expect(String(await everything(client))).toBe('all that I have');
    client.end('and this is mine');
    await expect.poll(() => heard, SOON).toBe('and this is mine');
  });

  test('of a target arrive after the client has ended', async () => {
    const { relay, port } = await stage.open((socket) => {
      void everything(socket).then((all) => socket.end(`heard ${all}`));
    });
    const client = await stage.connect(port);
    client.end('me');
    expect(String(await everything(client))).toBe('heard me');
    await expect.poll(() => relay.connections, SOON).toBe(0);
  });
});

describe('an end that is not orderly', () => {
  test('a reset client resets the target', async () => {
    let seen: Promise<string> | undefined;
    const { relay, port } = await stage.open((socket) => {
      seen = outcome(socket);
      socket.write('hello');
    });
    const client = await stage.connect(port);
    await once(client, 'data');
    client.resetAndDestroy();
    expect(await seen).toBe('ECONNRESET');
    expect(relay.connections).toBe(0);
  });

  test('a reset target resets the client: a part is not taken for the whole', async () => {
    const { relay, port } = await stage.open((socket) => {
      socket.write('half of it', () => socket.resetAndDestroy());
    });
    expect(await attempt(port)).toBe('ECONNRESET');
    await expect.poll(() => relay.connections, SOON).toBe(0);
  });

  test('a target that is not there resets the client', async () => {
    const port = await stage.freePort();
    const relay = stage.relay(await stage.freePort(), port);
    await relay.open();
    expect(await attempt(port)).toBe('ECONNRESET');
    await expect.poll(() => relay.connections, SOON).toBe(0);
    expect(stage.events).toEqual([]);
  });

  test('a client that keeps what the target has ended is let go after a while', async () => {
    const { relay, port } = await stage.open((socket) => socket.end('done'), { lingerMs: 200 });
    const client = await stage.connect(port);
    expect(String(await everything(client))).toBe('done');
    expect(relay.connections).toBe(1);
    await expect.poll(() => relay.connections, SOON).toBe(0);
  });
});

describe('closing', () => {
  test('lets those that are connected go on', async () => {
    const { relay, port } = await stage.open((socket) => socket.pipe(socket));
    const client = await stage.connect(port);
    client.write('a');
    await once(client, 'data');
    relay.close();
    client.end('b');
    expect(String(await everything(client))).toBe('b');
    await expect.poll(() => relay.connections, SOON).toBe(0);
  });

  test('for good resets those that are connected, on both sides', async () => {
    const seen: Promise<string>[] = [];
    const { relay, port } = await stage.open((socket) => {
      seen.push(outcome(socket));
      socket.write('hello');
    });
    const clients = await Promise.all([stage.connect(port), stage.connect(port), stage.connect(port)]);
    await Promise.all(clients.map((client) => once(client, 'data')));
    const ends = clients.map(outcome);
    relay.end();
    expect(await Promise.all(ends)).toEqual(['ECONNRESET', 'ECONNRESET', 'ECONNRESET']);
    expect(await Promise.all(seen)).toEqual(['ECONNRESET', 'ECONNRESET', 'ECONNRESET']);
    await expect.poll(() => relay.connections, SOON).toBe(0);
    expect(await tryToConnect(port)).toBe('ECONNREFUSED');
  });

  test('for good ends those that have ended by half', async () => {
    const { relay, port } = await stage.open((socket) => socket.end('done'));
    const before = descriptors();
    const client = await stage.connect(port);
    expect(String(await everything(client))).toBe('done');
    relay.end();
    client.destroy();
    await expect.poll(() => relay.connections, SOON).toBe(0);
    await expect.poll(descriptors, SOON).toBeLessThan(before);
  });

  test('shows an error to who has not got everything, though its end was due', async () => {
    let socket: Socket | undefined;
    const port = await stage.listen((accepted) => {
      socket = accepted.end(Buffer.alloc(64 * MB));
    });
    const client = await stage.connect(port);
    await expect.poll(() => socket, SOON).toBeDefined();
    if (socket !== undefined) reset(socket);
    // By writing: what is read can end in an end all the same, where data came just before.
    const error = await new Promise((resolve) => client.write('x', resolve));
    expect(error).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
  });
});
