import { Command, Option } from 'commander';
import { SEVERITIES } from '../model/finding.ts';
import { READER_NAMES, RESTART_CHOICES } from '../model/layout.ts';
import type { Action } from './actions.ts';
import { address, duration, repeated, repeatedReader, rounds, severity } from './values.ts';

declare const __VERSION__: string;

/** How a command is run once its options are known; given by `main`, so that help needs none of it. */
export type Runner = (
  name: string,
  action: () => Promise<Action>,
  args: string[],
  options: object,
) => Promise<void>;

/** Options that every command has. */
function common(command: Command): Command {
  return command
    .option('--root <dir>', 'the deployment (default: the nearest folder upwards with comfyui-auth.yml)')
    .option('--layout <file>', 'a layout other than the nearest comfyui-auth.yml')
    .option('--service <name>', 'only this service (repeatable)', repeated)
    .option('--json', 'one JSON object on stdout, and nothing else')
    .option('--quiet', 'no progress on stderr')
    .option('--verbose', 'say on stderr what was found where, and how long it took')
    .option('--no-color', 'no colours (NO_COLOR does the same)');
}

/** Options of commands to which a secret can be handed in. Never a secret as a value: argv is seen by every user. */
function secrets(command: Command): Command {
  return command
    .option('--password-stdin', 'read the password from stdin')
    .option('--password-file <file>', 'read the password from a file')
    .option('--bearer-file <file>', 'read the bearer (the bcrypt hash) from a file');
}

/** How long one question of a diagnosis may take. */
const answerTime = () =>
  new Option('--timeout <time>', 'how long to wait for one answer, of the server or of docker')
    .argParser(duration)
    .default(10_000, '10s');

/** Options of commands that ask a server for its proof. */
function gate(command: Command): Command {
  return command
    .option('--url <url>', 'ask there instead of at the address of the layout', address)
    .addOption(
      new Option('--timeout <time>', 'how long to wait for a proof')
        .argParser(duration)
        .default(120_000, '120s'),
    )
    .option('--rounds <n>', 'good rounds in a row that make a proof', rounds, 3);
}

const SECRETS_HELP = `
Where the credential comes from: these options; else COMFYUI_USERNAME, COMFYUI_PASSWORD, COMFYUI_BEARER_TOKEN of
the environment (each also as …_FILE); else the layout's authority. The first that gives any part gives all.`;

/** The whole command line. It only knows names and options; `run` loads what a command needs. */
export function program(run: Runner): Command {
  const top = new Command('comfyui-auth')
    .description('One credential for ComfyUI behind ComfyUI-Login: in every file, and proven.')
    .version(__VERSION__, '--version')
    .helpOption('--help', 'show help')
    .helpCommand(false)
    .configureHelp({ helpWidth: 110 })
    .showSuggestionAfterError(true)
    .addHelpText(
      'after',
      '\nExit codes: 0 clean or done, 1 findings, 2 wrong usage or configuration, 3 could not find out,\n' +
        '4 the server is unprotected, 5 failed and all was put back, 6 failed and not all was put back.',
    );
  const on = (command: Command, action: () => Promise<Action>) =>
    command.action(async (...given: unknown[]) => {
      await run(command.name(), action, command.args, given.at(-2) as object);
    });

  on(
    secrets(common(top.command('audit')))
      .summary('say what disagrees in the files, and why')
      .description(
        'Reads every location and says what disagrees, and why. Reads files only, unless --live. Writes nothing.',
      )
      .addOption(
        new Option('--fail-on <severity>', `exit 1 from this severity upwards (${SEVERITIES.join(', ')})`)
          .argParser(severity)
          .default('error'),
      )
      .option('--live', 'look at the running container and ask its server, too')
      .addOption(answerTime())
      .addHelpText('after', SECRETS_HELP),
    () => import('./actions-audit.ts').then((one) => one.auditAction),
  );
  on(
    secrets(common(top.command('sync')))
      .summary('make every location hold the credential')
      .description(
        'Makes every location hold the credential, in one transaction. A second run changes nothing.',
      )
      .option('--dry-run', 'print the plan, write nothing')
      .option('--variable <name>', 'reconcile this environment variable into the .env (repeatable)', repeated)
      .addHelpText('after', SECRETS_HELP),
    () => import('./actions-sync.ts').then((one) => one.syncAction),
  );
  on(
    gate(secrets(common(top.command('probe'))))
      .summary('ask the running server: refused without, accepted with')
      .description('Asks the running server: refused without a credential, accepted with it. Writes nothing.')
      .addHelpText('after', SECRETS_HELP),
    () => import('./actions-probe.ts').then((one) => one.probeAction),
  );
  on(
    gate(secrets(common(top.command('deploy'))))
      .summary('sync, make the services read it, and prove them; or put everything back')
      .description(
        'Makes every location hold the credential, makes the services read it, and asks them for their proof.\n' +
          'What cannot be proven is put back, and proven again; a server that is found open is stopped at once.',
      )
      .option('--dry-run', 'print the plan; write nothing, restart nothing')
      .option('--variable <name>', 'reconcile this environment variable into the .env (repeatable)', repeated)
      .addOption(
        new Option(
          '--restart <how>',
          'what makes a service read its files again; auto: by what changed; reload: its live server, by the guard',
        )
          .choices(RESTART_CHOICES)
          .default('auto'),
      )
      .addHelpText('after', SECRETS_HELP),
    () => import('./actions-deploy.ts').then((one) => one.deployAction),
  );
  on(
    secrets(common(top.command('doctor')))
      .summary('one live diagnosis in causal order: the first cause, and what to do about it')
      .description(
        'Looks at the engine, the container, what it mounts and publishes, what the server answers, and which\n' +
          'credential it holds; names the first cause of what is wrong. Changes nothing, and prints no secret.',
      )
      .option('--url <url>', 'ask there instead of at the address of the layout', address)
      .addOption(answerTime())
      .addHelpText('after', SECRETS_HELP),
    () => import('./actions-doctor.ts').then((one) => one.doctorAction),
  );
  on(
    common(top.command('explain <file>'))
      .summary('for each key of a .env, what each reader would receive')
      .description('Says for each key of a .env what each reader would receive. Values are masked.')
      .option('--reader <name>', `one of ${READER_NAMES.join(', ')} (repeatable)`, repeatedReader)
      .option('--reveal', 'show the values: secrets will stand on your screen'),
    () => import('./actions-explain.ts').then((one) => one.explainAction),
  );
  on(
    common(top.command('init'))
      .summary('write comfyui-auth.yml from what is found')
      .description('Writes comfyui-auth.yml from what it finds, also in the tree of the predecessor.')
      .option('--dry-run', 'print the layout, write nothing'),
    () => import('./actions-init.ts').then((one) => one.initAction),
  );
  on(
    top
      .command('demo')
      .summary('the main job on a deployment of its own, in a temporary folder')
      .description(
        'Plays the main job through: a broken deployment is audited, reconciled, booted and proven.',
      )
      .option('--json', 'one JSON object on stdout, and nothing else')
      .option('--quiet', 'no progress on stderr')
      .option('--no-color', 'no colours (NO_COLOR does the same)'),
    () => import('./actions-demo.ts').then((one) => one.demoAction),
  );
  return top;
}
