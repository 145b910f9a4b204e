import { audit } from '../commands/audit.ts';
import { deploy } from '../commands/deploy.ts';
import { probe } from '../commands/probe.ts';
import { sync } from '../commands/sync.ts';
import type { World } from '../commands/world.ts';
import { deployText } from '../report/deploy.ts';
import { probeText } from '../report/probe.ts';
import { auditText, syncText } from '../report/results.ts';
import type { TextOptions } from '../report/text.ts';
import type { Inputs } from './inputs.ts';
import type { Outcome } from './outputs.ts';

/** The inputs as a command takes them. */
type Request = Inputs & { signal: AbortSignal };

interface ActionCommand {
  /** Whether it changes files: what a cancelled run of it left is put in order afterwards. */
  writes: boolean;
  /** Runs it; gives its result, and its result in words. */
  run(request: Request, world: World): Promise<{ result: Outcome; text: string[] }>;
}

function command<R extends Outcome>(
  run: (request: Request, world: World) => Promise<R>,
  text: (result: R, look: TextOptions) => string[],
  { writes }: { writes: boolean },
): ActionCommand {
  return {
    writes,
    async run(request, world) {
      const result = await run(request, world);
      return {
        result,
        text: text(result, { color: false, root: result.root, layout: result.layout, cwd: world.cwd }),
      };
    },
  };
}

/** The commands that the action has, by the names of its input "command". */
export const COMMANDS = {
  audit: command(audit, auditText, { writes: false }),
  sync: command(sync, syncText, { writes: true }),
  probe: command(probe, probeText, { writes: false }),
  deploy: command(deploy, deployText, { writes: true }),
};

export const COMMAND_NAMES = Object.keys(COMMANDS) as (keyof typeof COMMANDS)[];
