import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answerTo, bearer, LoadClient } from './load-client.ts';
import { LoadRig } from './load-rig.ts';
import { accepted, Rotation } from './load-rotation.ts';
import { EchoSocket } from './load-socket.ts';
import { ValidClients, WAYS } from './load-valid.ts';
import { withoutPython } from './python.ts';
import { LOGIN_NODES } from './rig.ts';

const ROTATIONS = 100;
const PER_SECOND = 50;
/** Answers between two rotations. */
const BETWEEN = 10;
/** Others than the clients here try the old credential, which is no guessing to be limited. */
const SETTINGS = { MAX_LOGIN_ATTEMPTS: '1000' };
const EVERY_WAY = Object.keys(WAYS);
const TEXT = 'x'.repeat(200);

const figures: string[] = [];
afterAll(() => console.log(figures.join('\n')));

describe.skipIf(withoutPython()).each(LOGIN_NODES)(
  `${ROTATIONS} rotations under load, over $name`,
  (login) => {
    let rig: LoadRig;
    let client: LoadClient;
    let rotation: Rotation;
    beforeEach(() => {
      rig = new LoadRig(login);
    });
    afterEach(async () => {
      client.close();
      await rig.remove();
    });

    async function serve(env: Record<string, string>): Promise<void> {
      const { port } = await rig.start({ env: { ...SETTINGS, ...env } });
      client = new LoadClient(port);
      rotation = new Rotation(rig, client);
    }

    /** Rotates under load; `after` is told which pair is no longer current. */
    async function rotate(clients: ValidClients, each: (round: number) => Promise<void>): Promise<void> {
      const long = await Long.begin(client, rig.hash);
      const start = performance.now();
      clients.start(PER_SECOND);
      for (let round = 0; round < ROTATIONS; round++) {
        await clients.answered(BETWEEN);
        await each(round);
        await long.goOn();
      }
      await clients.stop();
      const seconds = (performance.now() - start) / 1000;
      await long.end();
      const worst = Math.max(...rotation.took).toFixed(1);
      figures.push(
        `${expect.getState().currentTestName}: ${clients.count} requests in ${seconds.toFixed(1)} s, ${clients.good} good, ` +
          `${clients.again} good when asked again, ${clients.lost.length} lost; a reload took ${worst} ms at most`,
      );
      expect(clients.lost).toEqual([]);
      expect(clients.count / seconds).toBeGreaterThan(PER_SECOND * 0.8);
    }

    test('with a grace and sessions kept nobody is refused at all', async () => {
      await serve({ RELOAD_GRACE: '2s', KEEP_SESSIONS: 'on' });
      const cookie = await client.session(rig.password);
      const session = () => client.ask('/queue', { cookie });
      const clients = new ValidClients(client, rotation, { retry: false, more: { session } });
      await rotate(clients, async () => {
        clients.burst();
        const rotated = rotation.next();
        clients.burst();
        const old = await rotated;
        // The grace: what was read just before holds on.
        expect(await accepted(client, old)).toEqual(EVERY_WAY);
      });
      const [last, answered] = [rotation.current, performance.now()];
      const old = await rotation.next();
      expect(old).toBe(last);
      await expect.poll(() => accepted(client, old), { timeout: 10_000 }).toEqual([]);
      expect(performance.now() - answered).toBeGreaterThan(1900);
      expect(performance.now() - answered).toBeLessThan(4000);
    });

    test('without a grace the old is refused from the answer on, and who asks again is let in', async () => {
      await serve({});
      const clients = new ValidClients(client, rotation, { retry: true });
      const oldAccepted: string[] = [];
      await rotate(clients, async () => {
        const cookie = await client.session(rotation.current.password);
        expect((await client.ask('/queue', { cookie })).status).toBe(200);
        clients.burst();
        const rotated = rotation.next();
        clients.burst();
        const old = await rotated;
        oldAccepted.push(...(await accepted(client, old)));
        if ((await client.ask('/queue', { cookie })).status === 200) oldAccepted.push('session');
      });
      figures.push(`  old accepted: ${oldAccepted.length} of ${ROTATIONS * (EVERY_WAY.length + 1)}`);
      expect(oldAccepted).toEqual([]);
    });
  },
);

/** What was begun before the first rotation, and goes on through all of them: an upload, and a WebSocket. */
class Long {
  readonly #digest = createHash('sha256');
  readonly #upload;
  readonly #answer;
  readonly #socket;

  private constructor(upload: ReturnType<LoadClient['begin']>, socket: EchoSocket) {
    this.#upload = upload;
    this.#answer = answerTo(upload);
    this.#socket = socket;
  }

  static async begin(client: LoadClient, hash: string): Promise<Long> {
    const socket = await EchoSocket.open(client, `/load/echo?token=${encodeURIComponent(hash)}`);
    const upload = client.begin('/load/upload/long', { method: 'POST', headers: bearer(hash) });
    const long = new Long(upload, socket);
    await long.goOn();
    await client.ask('/load/begun/long', bearer(hash));
    return long;
  }

  async goOn(): Promise<void> {
    const part = randomBytes(10_000);
    this.#digest.update(part);
    await new Promise((sent) => this.#upload.write(part, sent));
    expect(await this.#socket.echo(TEXT)).toBe(TEXT);
  }

  async end(): Promise<void> {
    this.#upload.end();
    expect(await this.#answer).toMatchObject({ status: 200, body: this.#digest.digest('hex') });
    this.#socket.close();
  }
}
