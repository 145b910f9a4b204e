import { parse } from 'yaml';

type Values = Record<string, unknown>;

interface Step {
  name?: string;
  uses?: string;
  run?: string;
  shell?: string;
  id?: string;
  with?: Values;
  env?: Values;
}

interface Job {
  uses?: string;
  steps?: Step[];
  env?: Values;
  permissions?: unknown;
  'timeout-minutes'?: unknown;
}

/** A workflow: its text and what YAML makes of it. */
export interface Workflow {
  name: string;
  /** The repository's own run here; an example is copied by users, and may name the action by its version. */
  kind: 'own' | 'example';
  text: string;
  on: unknown;
  jobs: Record<string, Job>;
  env?: Values;
  permissions?: unknown;
  concurrency?: unknown;
  defaults?: { run?: { shell?: string } };
}

/** Parses a text as a workflow; undefined where it is other YAML. */
export function asWorkflow(name: string, kind: Workflow['kind'], text: string): Workflow | undefined {
  const value = parse(text) as Partial<Workflow> | null;
  if (value?.on === undefined || value.jobs === undefined) return undefined;
  return { ...value, name, kind, text, on: value.on, jobs: value.jobs };
}

/** The workflows among the YAML blocks of a Markdown document. */
export function workflowsIn(name: string, markdown: string): Workflow[] {
  const blocks = [...markdown.matchAll(/^```ya?ml\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(
    ([, text = ''], index) => asWorkflow(`${name}, block ${index + 1}`, 'example', text) ?? [],
  );
}

const jobsOf = ({ jobs }: Workflow) => Object.entries(jobs);
const stepsOf = (workflow: Workflow) => jobsOf(workflow).flatMap(([, { steps = [] }]) => steps);
const holds = (value: unknown, word: string) => JSON.stringify(value ?? '').includes(word);
const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

/** Whether a step runs this project's action. */
export const isOwnAction = (uses: string | undefined) => uses === './' || uses === 'org/comfyui-auth@v1';

function unpinned(workflow: Workflow): string[] {
  const used = [
    ...jobsOf(workflow).map(([, { uses }]) => uses),
    ...stepsOf(workflow).map(({ uses }) => uses),
  ];
  const allowed = (uses: string) =>
    uses === './' ||
    (workflow.kind === 'example' && isOwnAction(uses)) ||
    (/@[0-9a-f]{40}$/.test(uses) &&
      new RegExp(`uses: ${escaped(uses)} # v\\d+\\.\\d+\\.\\d+$`, 'm').test(workflow.text));
  return used.filter((uses) => uses !== undefined && !allowed(uses)).map(String);
}

/** What is not `{}` or a list of read permissions at the top, or not a list of permissions in a job. */
function loosePermissions(workflow: Workflow): string[] {
  const scopes = (permissions: unknown) =>
    typeof permissions === 'object' && permissions !== null ? Object.entries(permissions) : undefined;
  const top = scopes(workflow.permissions)?.every(([, access]) => access === 'read') === true;
  const jobs = jobsOf(workflow).filter(
    ([, { permissions }]) => permissions !== undefined && scopes(permissions) === undefined,
  );
  return [...(top ? [] : ['the top']), ...jobs.map(([name]) => name)];
}

/** Secrets within reach of a shell: one `set -x`, one `env`, and they are in the log. */
function secretsForShells(workflow: Workflow): string[] {
  const shells = stepsOf(workflow).filter(({ run }) => run !== undefined);
  const surroundings = [workflow.env, ...jobsOf(workflow).map(([, { env }]) => env)];
  return [
    ...shells
      .filter(({ run, env }) => holds(run, 'secrets.') || holds(env, 'secrets.'))
      .map(({ run }) => `${run}`),
    ...surroundings
      .filter((env) => holds(env, 'secrets.'))
      .map(() => 'the environment of more than one step'),
  ];
}

function withoutShell({ kind, defaults, ...workflow }: Workflow): string[] {
  if (kind === 'example' || defaults?.run?.shell === 'bash') return [];
  const steps = stepsOf({ kind, ...workflow });
  return steps.flatMap(({ run, shell }) => (run !== undefined && shell === undefined ? [run] : []));
}

/** What a workflow must not do: each rule gives the places that break it. */
export const RULES: Record<string, (workflow: Workflow) => string[]> = {
  'actions are pinned to a commit, with the version behind it': unpinned,
  'the permissions are the least': loosePermissions,
  'a checkout leaves no token behind': (workflow) =>
    stepsOf(workflow)
      .filter((step) => step.uses?.startsWith('actions/checkout@'))
      .filter((step) => step.with?.['persist-credentials'] !== false)
      .map((step) => `${step.uses}`),
  'no expression is put into a script': (workflow) =>
    stepsOf(workflow)
      .flatMap((step) => [step.run, step.with?.script])
      .filter((script) => holds(script, '${{'))
      .map(String),
  'no shell is given a secret': secretsForShells,
  'every job ends in time': (workflow) =>
    jobsOf(workflow)
      .filter(([, job]) => job.uses === undefined)
      .filter(([, job]) => !(Number(job['timeout-minutes']) <= 60))
      .map(([name]) => name),
  'no foreign code runs with the rights of the repository': (workflow) =>
    holds(workflow.on, 'pull_request_target') ? ['pull_request_target'] : [],
  'two runs do not meet': ({ kind, concurrency }) =>
    kind === 'own' && concurrency === undefined ? ['no concurrency'] : [],
  'a script says which shell it is for': withoutShell,
};

/** The names of the rules that a workflow breaks, each with the places. */
export function broken(workflow: Workflow): Record<string, string[]> {
  const places = Object.entries(RULES).map(([rule, look]) => [rule, look(workflow)] as const);
  return Object.fromEntries(places.filter(([, where]) => where.length > 0));
}

/** What a workflow gives to this project's action, and the outputs that it takes from it. */
export function interfaceOf(workflow: Workflow): { commands: string[]; inputs: string[]; outputs: string[] } {
  const steps = stepsOf(workflow).filter(({ uses }) => isOwnAction(uses));
  const taken = ({ id = '' }: Step) =>
    workflow.text.matchAll(new RegExp(`steps\\.${escaped(id)}\\.outputs\\.([\\w-]+)`, 'g'));
  return {
    commands: steps.map((step) => `${step.with?.command}`),
    inputs: steps.flatMap((step) => Object.keys(step.with ?? {})),
    outputs: steps.flatMap((step) => [...taken(step)].map(([, name = '']) => name)),
  };
}
