import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { asWorkflow, broken, interfaceOf, RULES, type Workflow, workflowsIn } from './workflow-rules.ts';

const project = resolve(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(project, path), 'utf8');
const filesIn = (folder: string, end: string) =>
  readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .map((name) => `${folder}/${name}`);

function workflow(path: string, kind: Workflow['kind']): Workflow {
  const found = asWorkflow(path, kind, read(path));
  if (found === undefined) throw new Error(`${path} is no workflow`);
  return found;
}

const own = filesIn('.github/workflows', '.yml').map((path) => workflow(path, 'own'));
const examples = [
  ...filesIn('docs/examples', '.yml').map((path) => workflow(path, 'example')),
  ...['README.md', ...filesIn('docs', '.md')].flatMap((path) => workflowsIn(path, read(path))),
];

it('there are workflows and examples to look at', () => {
  expect(own.map(({ name }) => name.replace(/.*\//, ''))).toEqual(
    expect.arrayContaining(['ci.yml', 'codeql.yml', 'e2e.yml', 'release.yml', 'scorecard.yml']),
  );
  expect(examples.length).toBeGreaterThanOrEqual(5);
});

describe.each([...own, ...examples].map((one) => [one.name, one] as const))('%s', (_, one) => {
  it('keeps every rule', () => {
    expect(broken(one)).toEqual({});
  });

  it('uses commands, inputs and outputs that the action has', () => {
    const action = parse(read('action-types.yml'));
    const { commands, inputs, outputs } = interfaceOf(one);
    expect(action.inputs.command['allowed-values']).toEqual(expect.arrayContaining(commands));
    expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(inputs));
    expect(Object.keys(action.outputs)).toEqual(expect.arrayContaining(outputs));
  });
});

describe('each rule goes off', () => {
  const expression = (text: string) => `\${{ ${text} }}`;
  const PIN = 'actions/checkout@0123456789abcdef0123456789abcdef01234567 # v1.2.3';
  const sound = `
on: { push: { branches: [main] } }
permissions: {}
concurrency: one
defaults: { run: { shell: bash } }
jobs:
  a:
    timeout-minutes: 5
    permissions: { contents: read }
    steps:
      - uses: ${PIN}
        with: { persist-credentials: false }
      - uses: ./
        id: own
        with: { command: sync, password: '${expression('secrets.P')}' }
      - run: echo "$STATUS"
        env: { STATUS: '${expression('steps.own.outputs.status')}' }
`;
  const look = (text: string, kind: Workflow['kind'] = 'own') => {
    const found = asWorkflow('text', kind, text);
    if (found === undefined) throw new Error('no workflow');
    return found;
  };
  // Each breaks the one rule that it names, by one change.
  const breaks: [rule: string, from: string, to: string][] = [
    ['actions are pinned to a commit, with the version behind it', PIN, 'actions/checkout@v1.2.3'],
    ['actions are pinned to a commit, with the version behind it', ' # v1.2.3', ''],
    ['actions are pinned to a commit, with the version behind it', 'uses: ./', 'uses: org/comfyui-auth@v1'],
    [
      'actions are pinned to a commit, with the version behind it',
      '  a:\n',
      '  a:\n    uses: o/r/.github/workflows/w.yml@main\n',
    ],
    ['the permissions are the least', '\npermissions: {}', ''],
    ['the permissions are the least', '\npermissions: {}', '\npermissions: read-all'],
    ['the permissions are the least', '\npermissions: {}', '\npermissions: { contents: write }'],
    ['the permissions are the least', 'permissions: { contents: read }', 'permissions: write-all'],
    ['a checkout leaves no token behind', '        with: { persist-credentials: false }\n', ''],
    ['a checkout leaves no token behind', 'persist-credentials: false', 'persist-credentials: true'],
    ['no expression is put into a script', '$STATUS', expression('steps.own.outputs.status')],
    ['no expression is put into a script', "password: '", "script: '"],
    ['no shell is given a secret', expression('steps.own.outputs.status'), expression('secrets.P')],
    ['no shell is given a secret', '    steps:', `    env: { P: '${expression('secrets.P')}' }\n    steps:`],
    ['no shell is given a secret', '\njobs:', `\nenv: { P: '${expression('secrets.P')}' }\njobs:`],
    ['every job ends in time', '    timeout-minutes: 5\n', ''],
    ['every job ends in time', 'timeout-minutes: 5', 'timeout-minutes: 360'],
    ['no foreign code runs with the rights of the repository', 'push:', 'pull_request_target:'],
    ['two runs do not meet', '\nconcurrency: one', ''],
    ['a script says which shell it is for', '\ndefaults: { run: { shell: bash } }', ''],
  ];

  it('and none at a sound workflow', () => {
    expect(broken(look(sound))).toEqual({});
    expect(broken(look(sound.replace('./', 'org/comfyui-auth@v1'), 'example'))).toEqual({});
    expect(interfaceOf(look(sound))).toEqual({
      commands: ['sync'],
      inputs: ['command', 'password'],
      outputs: ['status'],
    });
  });

  it.each(breaks)('%s: %j', (rule, from, to) => {
    expect(sound).toContain(from);
    expect(Object.keys(broken(look(sound.replace(from, () => to))))).toEqual([rule]);
  });

  it('every one of them', () => {
    expect(new Set(breaks.map(([rule]) => rule))).toEqual(new Set(Object.keys(RULES)));
  });
});
