import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cheapHash, Deployment, freshPassword, type Running } from './entrypoint-harness.ts';
import { MoodyServer } from './entrypoint-moody-server.ts';

type Seen = number | 'refused' | 'cut';

/** Asks a port every 20 ms without a credential, and notes when it asked and what it got. */
class Prober {
  readonly all: { asked: number; got: Seen }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(port: number) {
    this.#timer = setInterval(() => {
      const asked = performance.now();
      const note = (got: Seen) => this.all.push({ asked, got });
      get({ host: '127.0.0.1', port, path: '/system_stats', agent: false, timeout: 2000 }, (response) => {
        response.resume();
        note(response.statusCode ?? 0);
      }).on('error', ({ code }: NodeJS.ErrnoException) => note(code === 'ECONNREFUSED' ? 'refused' : 'cut'));
    }, 20);
  }

  /** What it got, in the order of the answers, for what it asked from a moment on. */
  since(moment: number): Seen[] {
    return this.all.filter(({ asked }) => asked >= moment).map(({ got }) => got);
  }

  /** Waits until it got this for what it asked from now on. */
  async meets(got: Seen): Promise<void> {
    const moment = performance.now();
    await expect.poll(() => this.since(moment), { timeout: 15_000 }).toContain(got);
  }

  /** What it gets from now on, the next ten times. */
  async next(): Promise<Set<Seen>> {
    const moment = performance.now();
    await expect.poll(() => this.since(moment).length, { timeout: 15_000 }).toBeGreaterThanOrEqual(10);
    return new Set(this.since(moment));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

let deployment: Deployment;
let prober: Prober;
beforeEach(async () => {
  deployment = await Deployment.make();
  writeFileSync(deployment.password, `${cheapHash(freshPassword())}\nada`);
  prober = new Prober(deployment.port);
});
afterEach(() => {
  prober.stop();
  deployment.remove();
});

const start = (args: string[] = ['run'], more: Record<string, string> = {}) =>
  deployment.start(args, { EXPOSE_MODE: 'relay', ...more });

/** Starts, and waits until the login is met at the published port. */
async function ready(args?: string[], more?: Record<string, string>): Promise<Running> {
  const running = start(args, more);
  await running.said(/^ready: /m);
  await prober.meets(401);
  return running;
}

/** Lets ComfyUI take a second longer to its start. */
function startSlowly(): void {
  const [, line = ''] = readFileSync(deployment.python, 'utf8').split('\n');
  deployment.setPython(`case "$1" in -u) sleep 1 ;; esac\n${line}`);
}

/** A server whose behaviour can be changed, on a port behind the relay; and the command that starts it. */
async function moody(): Promise<{ server: MoodyServer; args: string[]; inner: Deployment }> {
  const inner = await Deployment.make();
  writeFileSync(inner.password, readFileSync(deployment.password));
  const server = new MoodyServer(inner);
  const listen = ['--listen', '127.0.0.1', '--port', String(inner.port)];
  return { server, inner, args: ['run', '--', process.execPath, server.program, ...listen] };
}

describe('the published port', () => {
  test('refuses until ComfyUI is proven, and never answers without the login', async () => {
    startSlowly();
    const running = await ready();
    const first = prober.all.findIndex(({ got }) => got === 401);
    expect(first).toBeGreaterThan(20);
    expect(new Set(prober.all.slice(0, first).map(({ got }) => got))).toEqual(new Set(['refused']));
    expect(running.output).toMatch(/To see the GUI go to: http:\/\/127\.0\.0\.1:\d+$/m);
    expect(running.output).not.toContain(`go to: http://127.0.0.1:${deployment.port}`);
    expect(await running.stop()).toBe(0);
    expect(prober.since(0)).not.toContain(200);
    expect(await prober.next()).toEqual(new Set(['refused']));
  });

  test('never opens before a server that comes up open', async () => {
    const inner = await Deployment.make();
    const main = `-u main.py --disable-all-custom-nodes --listen 127.0.0.1 --port ${inner.port}`;
    const listen = ['--listen', '127.0.0.1', '--port', String(inner.port)];
    const running = start(['run', '--', 'sh', '-c', `exec '${deployment.python}' ${main}`, 'sh', ...listen]);
    expect(await running.ended).toBe(76);
    inner.remove();
    expect(await prober.next()).toEqual(new Set(['refused']));
    expect(new Set(prober.since(0))).toEqual(new Set(['refused']));
  });

  test('that somebody else took meanwhile: 78, and ComfyUI is ended', async () => {
    startSlowly();
    const running = start();
    await running.said(/^starting: /m);
    prober.stop();
    const { childPid } = deployment;
    const thief = createServer().listen(deployment.port, '0.0.0.0');
    await once(thief, 'listening');
    expect(await running.ended).toBe(78);
    thief.close();
    expect(running.output).toMatch(/^refused: .*\(port-taken, exit 78\)/m);
    expect(() => process.kill(childPid, 0)).toThrow('ESRCH');
  });
});

describe('a drain', () => {
  test('refuses the new, and lets those that are connected ask on', async () => {
    const running = await ready(['run'], { STOP_GRACE: '30s' });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = async () => {
      const options = { host: '127.0.0.1', port: deployment.port, path: '/system_stats', agent };
      const [response] = (await once(get(options), 'response')) as [IncomingMessage];
      response.resume();
      await once(response, 'end');
      return response.statusCode;
    };
    expect(await ask()).toBe(401);
    const prompt = { 1: { class_type: 'Wait', inputs: { seconds: 3 } } };
    await deployment.ask('/prompt', { method: 'POST', body: JSON.stringify({ prompt }) });
    running.process.kill('SIGTERM');
    await running.said(/^draining: /m);
    expect(await prober.next()).toEqual(new Set(['refused']));
    expect(await ask()).toBe(401);
    agent.destroy();
    expect(await running.ended).toBe(0);
  });
});

describe('a server that changes after the proof', () => {
  test('is cut off at once where it opens: what is connected is reset, and nobody is answered any more', async () => {
    const { server, args, inner } = await moody();
    const running = await ready(args, { VERIFY_INTERVAL: '1s' });
    const idle = connect(deployment.port, '127.0.0.1');
    await once(idle, 'connect');
    const reset = once(idle, 'error');
    server.turn('open');
    await running.said(/^open: /m);
    const killed = performance.now();
    expect(await reset).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
    expect(await running.ended).toBe(76);
    await prober.next();
    expect(prober.since(0)).toContain(200);
    expect(new Set(prober.since(killed))).toEqual(new Set(['refused']));
    inner.remove();
  });

  test('stays in reach where it is only degraded', async () => {
    const { server, args, inner } = await moody();
    const running = await ready(args, { VERIFY_INTERVAL: '1s' });
    const moment = performance.now();
    server.turn('broken');
    await running.said(/^degraded: /m);
    expect(await prober.next()).toEqual(new Set([503]));
    server.turn('good');
    await running.said(/^recovered: /m);
    expect(prober.since(moment)).not.toContain('refused');
    expect(await running.stop()).not.toBe(76);
    inner.remove();
  });
});

test('a restart closes the port, and opens it once the new one is proven', async () => {
  startSlowly();
  const running = await ready(['run'], { RESTART_BACKOFF: '100ms' });
  process.kill(deployment.childPid, 'SIGKILL');
  await prober.meets('refused');
  expect(await prober.next()).toEqual(new Set(['refused']));
  await running.saidTimes('ready', 2);
  await prober.meets(401);
  expect(await running.stop()).toBe(0);
  expect(prober.since(0)).not.toContain(200);
});
