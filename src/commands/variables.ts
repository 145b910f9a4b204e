import { isPlaceholder } from '../env-file/placeholder.ts';
import { Exit, Failure } from '../model/failure.ts';
import type { Layout, ServiceLayout } from '../model/layout.ts';
import { Secret } from '../model/secret.ts';
import { requireOneService } from './target.ts';
import type { Target, World } from './world.ts';

/** The values of the named variables. Throws a Failure (exit 2) that names all that have no real value. */
function namedVariables(names: readonly string[], world: World): Map<string, Secret> {
  const values = new Map<string, Secret>();
  const wrong: string[] = [];
  for (const name of names) {
    // A name such as "constructor" is inherited by every object.
    const value = Object.hasOwn(world.env, name) ? world.env[name] : undefined;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) wrong.push(`${name} (no name of a variable)`);
    else if (value === undefined) wrong.push(`${name} (not set)`);
    else if (value === '') wrong.push(`${name} (empty)`);
    else if (isPlaceholder(value)) wrong.push(`${name} (a placeholder)`);
    else values.set(name, new Secret(value));
  }
  if (wrong.length === 0) return values;
  throw new Failure({
    code: 'variable-unusable',
    exit: Exit.usage,
    message: `variables to reconcile without a real value: ${wrong.join(', ')}`,
    remedy: 'set them in the environment of this command (in a workflow: the step’s env), or leave them out',
  });
}

/**
 * The environment variables that `--variable` names, with their values. They go into the `.env` of the one service
 * that is chosen. Throws a Failure (exit 2) where it has none, or where a variable has no real value.
 */
export function variablesFor(
  request: Target & { variables: readonly string[] },
  layout: Layout,
  chosen: readonly ServiceLayout[],
  world: World,
): Map<string, Secret> {
  const { variables } = request;
  if (variables.length === 0) return new Map();
  requireOneService(layout, chosen, request, '--variable');
  const lacking = chosen.find((one) => one.env === undefined);
  if (lacking === undefined) return namedVariables(variables, world);
  throw new Failure({
    code: 'variable-homeless',
    exit: Exit.usage,
    message: `service "${lacking.name}" has no .env into which ${variables.join(', ')} could be written`,
    remedy: 'add "env" to the service in comfyui-auth.yml, or name another with --service',
  });
}
