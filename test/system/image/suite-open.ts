import { describe, expect, test } from 'vitest';
import { cheapHash, freshSecret } from '../../process/deployment.ts';
import { COMFYUI, type Container } from './container.ts';
import { loginNode } from './context.ts';
import { CASES, type Case, LATER, LATER_WITHOUT_GUARD, type Volumes } from './open-cases.ts';
import type { Answers } from './prober.ts';
import type { ImageRig } from './rig.ts';

/** Nothing is restored. */
const NO_COPY = 'off';

/** What is said by whoever ends it, the entrypoint's proof or the guard. */
const SAID = { 76: /^open: .* Remedy: .*exit 76/m, 78: /^comfyui-auth guard: .+ Remedy: .+$/m };

const MODES = ['direct', 'relay'] as const;
type Mode = (typeof MODES)[number];

/**
 * So often may an asker get in where nothing could be known before the start: it asks 20 times a second. What only an
 * empty token opens (F1, F2) is found by the second request of a round.
 */
const most = (name: string) => (name.startsWith('O') ? 1 : 5);

/** Every way in which the login fails, while somebody asks without a credential. */
export function openSuite(rig: () => ImageRig): void {
  const PATHS = ['/system_stats', '/system_stats?token='];

  /** A container with such volumes, asked from before its start. */
  async function start(given: Case, env: Record<string, string>): Promise<Container> {
    const host = rig().folder();
    const volumes = { host, login: host.folder('login'), nodes: host.folder('custom_nodes') };
    host.file('login/PASSWORD', `${cheapHash(freshSecret())}\nadmin`);
    host.copy(loginNode, 'custom_nodes/ComfyUI-Login');
    given.spoil?.(volumes);
    const mounts = [
      '--volume',
      `${volumes.login}:${COMFYUI}/login`,
      '--volume',
      `${volumes.nodes}:${COMFYUI}/custom_nodes`,
    ];
    const container = await rig().create({
      env: { COMFYUI_ARGS: '--cpu', ...given.env, ...env },
      args: [...mounts, ...(given.args ?? [])],
    });
    await container.probe(...PATHS);
    return container.start();
  }

  async function expectNobodyIn(container: Container): Promise<void> {
    const answers = await container.answers();
    expect(answers).toHaveLength(PATHS.length);
    for (const { asked, oks } of answers) {
      expect(asked).toBeGreaterThan(0);
      expect(oks).toBe(0);
    }
  }

  /** The two at the same time: neither knows of the other. */
  const inEachMode = (look: (mode: Mode) => Promise<void>) => Promise.all(MODES.map(look));

  describe('asked without a credential all the time, directly and behind the relay', () => {
    test('whoever asks does get into a server that is meant to be open', async () => {
      await inEachMode(async (mode) => {
        const env = { EXPOSE_MODE: mode, COMFYUI_LOGIN_ENABLED: 'false', ALLOW_OPEN: 'yes-i-know' };
        const spoil = ({ host }: Volumes) => host.drop('custom_nodes/ComfyUI-Login');
        const container = await start({ name: 'open', spoil, ends: '' }, env);
        await container.said(/^unprotected: warning: serving/m);
        expect(await container.statuses('')).toEqual([200, 200]);
        for (const { oks, answered } of await container.answers()) {
          expect(oks).toBeGreaterThan(0);
          expect(answered).toBeGreaterThanOrEqual(oks);
        }
      });
    });

    test.each(CASES)('$name, and nothing to put it right with: not started', async (given) => {
      await inEachMode(async (mode) => {
        const container = await start(given, { EXPOSE_MODE: mode, LOGIN_NODE_COPY: NO_COPY });
        expect(await container.ended(), container.output).toBe(given.exit ?? 78);
        expect(container.output).toMatch(new RegExp(`^refused: .* Remedy: .*\\(${given.ends}, exit`, 'm'));
        expect(container.output).not.toMatch(/^starting: /m);
        await expectNobodyIn(container);
      });
    });

    const healed = CASES.filter((one) => one.healed);
    test.each(healed)(
      '$name, with a credential and a copy of the node: put right, and proven',
      async (given) => {
        await inEachMode(async (mode) => {
          const password = freshSecret();
          const bearer = cheapHash(password);
          const env = { EXPOSE_MODE: mode, COMFYUI_PASSWORD: password, COMFYUI_BEARER_TOKEN: bearer };
          const container = await start(given, env);
          await container.said(/^ready: /m);
          expect(await container.statuses(bearer)).toEqual([401, 200]);
          await container.stop();
          expect(await container.ended(), container.output).toBe(0);
          await expectNobodyIn(container);
        });
      },
    );

    /** What each of the two askers got until the end, which has this code. */
    async function untilEnded(code: 76 | 78, name: string, env: Record<string, string>): Promise<Answers[]> {
      const container = await start({ name, ends: '' }, env);
      expect(await container.ended(), container.output).toBe(code);
      expect(container.output).toMatch(/^starting: /m);
      expect(container.output).toMatch(SAID[code]);
      const answers = await container.answers();
      expect(answers).toHaveLength(PATHS.length);
      for (const { asked } of answers) expect(asked).toBeGreaterThan(0);
      return answers;
    }

    test.each(LATER)('%s after the checks: 78 by the guard, nobody is answered', async (name, python) => {
      await inEachMode(async (mode) => {
        const env = { EXPOSE_MODE: mode, BREAK_BEFORE_LOADING: python };
        const answers = await untilEnded(78, name, env);
        // The relay listens before ComfyUI does.
        for (const { oks, answered } of answers) expect(mode === 'relay' ? oks : answered).toBe(0);
      });
    });

    /** How often each of the two askers got in where the guard is not loaded, until the server was killed. */
    async function untilKilled(name: string, python: string, mode: Mode): Promise<number[]> {
      const env = { EXPOSE_MODE: mode, GUARD_COPY: NO_COPY, BREAK_BEFORE_LOADING: python };
      const answers = await untilEnded(76, name, env);
      return answers.map(({ oks }) => oks);
    }

    // Every third of them, all with OPEN=1: how the login fails makes no difference to what is asked of the server.
    const unguarded = LATER.filter((_, index) => process.env.OPEN !== undefined || index % 3 === 0);
    test.each([...LATER_WITHOUT_GUARD, ...unguarded])(
      '%s after the checks, no guard, behind the relay: killed, 76, and nobody got in',
      async (name, python) => {
        expect(await untilKilled(name, python, 'relay')).toEqual([0, 0]);
      },
    );

    // Where the machine has other things to do, a kill comes late: that says nothing of a server's host.
    test.each([...LATER_WITHOUT_GUARD, ...unguarded])(
      '%s after the checks, no guard, directly: killed, 76, at once',
      { retry: 2 },
      async (name, python) => {
        expect(Math.max(...(await untilKilled(name, python, 'direct')))).toBeLessThanOrEqual(most(name));
      },
    );
  });
}
