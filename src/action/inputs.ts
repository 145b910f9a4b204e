import * as core from '@actions/core';
import type { HandedIn } from '../commands/world.ts';
import { isPlainAddress } from '../model/address.ts';
import { DURATION_FORM, parseDuration } from '../model/duration.ts';
import { Exit, Failure } from '../model/failure.ts';
import { SEVERITIES, type Severity } from '../model/finding.ts';
import { RESTART_CHOICES, type RestartChoice } from '../model/layout.ts';

/** All inputs of the action but the command's name, typed (action.yml). */
export interface Inputs {
  handedIn?: HandedIn;
  variables: string[];
  root?: string;
  layout?: string;
  services: string[];
  url?: string;
  timeoutMs: number;
  rounds: number;
  restart: RestartChoice;
  dryRun: boolean;
  failOn: Severity;
  summary: boolean;
}

/** The raw secrets of the inputs, white space and all: they are masked before anything else is looked at. */
export interface RawSecrets {
  password: string;
  bearer: string;
  secretKey: string;
}

function refuse(input: string, why: string): never {
  throw new Failure({
    code: 'input-invalid',
    exit: Exit.usage,
    message: `input "${input}": ${why}`,
    remedy: 'correct it in the workflow; action.yml describes every input',
  });
}

/** Reads the secrets as they are: trimming would change them. */
export function readSecrets(): RawSecrets {
  const raw = (name: string) => core.getInput(name, { trimWhitespace: false });
  return { password: raw('password'), bearer: raw('bearer-token'), secretKey: raw('secret-key') };
}

function lines(name: string): string[] {
  return core.getMultilineInput(name).filter((line) => line !== '');
}

function choice<T extends string>(name: string, options: readonly T[], usual: string): T {
  const text = core.getInput(name) || usual;
  return options.find((one) => one === text) ?? refuse(name, `give one of ${options.join(', ')}`);
}

function flag(name: string, usual: boolean): boolean {
  const text = core.getInput(name) || String(usual);
  return choice(name, ['true', 'false'], text === 'true' ? 'true' : 'false') === 'true';
}

function milliseconds(name: string, usual: number): number {
  const text = core.getInput(name);
  if (text === '') return usual;
  return parseDuration(text) ?? refuse(name, DURATION_FORM);
}

function wholeNumber(name: string, usual: number): number {
  const text = core.getInput(name) || String(usual);
  const value = Number(text);
  return /^\d+$/.test(text) && value >= 1 && value <= 100
    ? value
    : refuse(name, 'give a number from 1 to 100');
}

const USUAL_COMMAND = 'sync';

/** The command for a report of a failure; empty where the input names none, for what stands there could be anything. */
export function commandNamed(commands: readonly string[]): string {
  const text = core.getInput('command') || USUAL_COMMAND;
  return commands.find((one) => one === text) ?? '';
}

/** The parts that the inputs hand in; one line end after a pasted secret is no part of it. */
function handedIn(raw: RawSecrets): HandedIn | undefined {
  const cut = (text: string) => text.replace(/\r?\n$/, '');
  const username = core.getInput('username');
  const given: HandedIn = {
    origin: 'the inputs',
    ...(username !== '' && { username }),
    ...(raw.password !== '' && { password: cut(raw.password) }),
    ...(raw.bearer !== '' && { bearer: cut(raw.bearer) }),
    ...(raw.secretKey !== '' && { secretKey: cut(raw.secretKey) }),
  };
  if (username !== '' && given.password === undefined && given.bearer === undefined) {
    refuse('username', 'it opens nothing alone: give "password" or "bearer-token" too (is the secret set?)');
  }
  return Object.keys(given).length > 1 ? given : undefined;
}

/** Names that the input "variables" gives; what they are is not looked at. */
export const variableNames = (): string[] => lines('variables');

/** Every input, checked. Throws a Failure (exit 2) that names the input. */
export function readInputs<C extends string>(
  raw: RawSecrets,
  commands: readonly C[],
): Inputs & { command: C } {
  const text = (name: string) => core.getInput(name) || undefined;
  const [root, layout, url] = [text('root'), text('layout'), text('url')];
  if (url !== undefined && !isPlainAddress(url)) {
    refuse('url', 'give an http or https address without user and password');
  }
  const given = handedIn(raw);
  return {
    command: choice('command', commands, USUAL_COMMAND),
    ...(given !== undefined && { handedIn: given }),
    variables: variableNames(),
    ...(root !== undefined && { root }),
    ...(layout !== undefined && { layout }),
    services: lines('service'),
    ...(url !== undefined && { url }),
    timeoutMs: milliseconds('timeout', 120_000),
    rounds: wholeNumber('rounds', 3),
    restart: choice('restart', RESTART_CHOICES, 'auto'),
    dryRun: flag('dry-run', false),
    failOn: choice('fail-on', SEVERITIES, 'error'),
    summary: flag('summary', true),
  };
}
