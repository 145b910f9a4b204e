import { dirname, join } from 'node:path';
import { decodeEnv } from '../env-file/decode.ts';
import { EnvDocument } from '../env-file/document.ts';
import { readersFor } from '../env-file/readers/index.ts';
import type { HeldPart } from '../locations/adapter.ts';
import { withinQuotes } from '../locations/env-values.ts';
import { locationsOf } from '../locations/index.ts';
import { asComposeInterpolates } from '../model/forensics.ts';
import type { ServiceLayout } from '../model/layout.ts';
import { MASK, Secret } from '../model/secret.ts';
import { derivedForms, Redactor } from '../platform/redact.ts';
import { childEnv } from '../service/child-env.ts';
import { DockerCommand } from '../service/docker-command.ts';
import type { ServiceDriver } from '../service/driver.ts';
import { Engine, EngineMemory } from '../service/engine.ts';
import { driverFor } from '../service/index.ts';
import { readRegular } from '../store/read-file.ts';
import { FileSnapshot, observe } from './gather.ts';
import type { World } from './world.ts';

/** A shorter value is a port, a number, a `true`: without it no message could be read. */
const MIN_LENGTH = 6;

/** Names of what an error message should not quote, in the shell and in a compose file. */
const TELLING = /TOKEN|PASS|SECRET|KEY|CREDENTIAL/i;
const TELLING_LINE = /[\w-]*(?:TOKEN|PASS|SECRET|KEY|CREDENTIAL)[\w-]*["']?\s*[:=]\s*["']?([^"'\s,}]+)/gi;

const LINE_KEY = /^\uFEFF?[ \t]*(?:export[ \t]+)?([^\s=:#'"`]+)[ \t]*(?:=|:[ \t])/gm;

/** The `.env` files that are read for a service: the layout's, and the one that Compose takes from beside its file. */
function envTexts({ env, restart }: ServiceLayout): string[] {
  const beside = restart.driver === 'compose' ? [join(dirname(restart.file), '.env')] : [];
  return [...new Set([...(env === undefined ? [] : [env.path]), ...beside])].map(textOf);
}

/** The text of a file; empty where there is none. */
function textOf(path: string): string {
  const file = readRegular(path, { follow: true });
  const decoded = file.kind === 'file' ? decodeEnv(file.bytes) : undefined;
  return decoded?.ok ? decoded.text : '';
}

const keysIn = (text: string) => [...text.matchAll(LINE_KEY)].map(([, key = '']) => key);

/** Every value of a `.env`, as it stands there and as the programs that start containers read it. */
function valuesIn(text: string): string[] {
  const document = EnvDocument.parse(text);
  const written = [...new Set(keysIn(text))].flatMap((key) => document.statements(key));
  const read = (['compose', 'compose-v1', 'docker-run'] as const)
    .flatMap((name) => readersFor({ name }).map((reader) => reader.read(text)))
    .flatMap((outcome) => (outcome.ok ? [...outcome.values.values()] : []));
  return [...written.map(({ raw }) => withinQuotes(raw)), ...read.map(({ value }) => value)];
}

/** What of a value can stand in a message: its lines, and what Compose makes of a `$` in it, names of variables too. */
function piecesOf(value: string): string[] {
  const words = value.includes('$')
    ? [asComposeInterpolates(value), ...value.split('$'), ...value.split(/\W+/)]
    : [];
  return [value, ...value.split(/[\r\n]+/), ...words];
}

/** The files of a service as they are now: their texts alone, since nobody may ever ask what is secret in them. */
class Sight {
  readonly #service: ServiceLayout;
  readonly #files = new FileSnapshot();
  readonly envTexts: readonly string[];
  readonly composeText: string;

  constructor(service: ServiceLayout) {
    this.#service = service;
    this.envTexts = envTexts(service);
    this.composeText = service.restart.driver === 'compose' ? textOf(service.restart.file) : '';
    for (const { path } of locationsOf(service)) this.#files.read(path);
  }

  parts(): HeldPart[] {
    return observe(this.#service, this.#files).flatMap((one) => one.content?.parts ?? []);
  }
}

/** A text without the secrets that a service's files hold or held, and without those of the shell. */
function conceal(text: string, sights: readonly Sight[], env: NodeJS.ProcessEnv): string {
  const parts = sights.flatMap((one) => one.parts());
  const values = [
    ...[...new Set(sights.flatMap((one) => one.envTexts))].flatMap(valuesIn),
    ...sights.flatMap(({ composeText }) =>
      [...composeText.matchAll(TELLING_LINE)].map(([, one = '']) => one),
    ),
    ...Object.entries(env).flatMap(([name, value = '']) => (TELLING.test(name) ? [value] : [])),
    ...parts.map(({ value }) => value.reveal()),
  ];
  const pieces = new Set(values.flatMap(piecesOf));
  const worth = [...pieces].filter(({ length }) => length >= MIN_LENGTH);
  const redactor = new Redactor();
  // A file may hold thousands of values: the redactor looks for all of its own at each character.
  const shown = (secret: Secret) => derivedForms(secret).some((form) => text.includes(form));
  redactor.add(...worth.map((value) => new Secret(value)).filter(shown));
  // Whoever chose a short password has a secret all the same.
  const passwords = parts.filter(({ part }) => part === 'password').map(({ value }) => value.reveal());
  const short = [...worth, ...passwords].filter(({ length }) => length > 0 && length < 8);
  return short
    .sort((a, b) => b.length - a.length)
    .reduce((rest, value) => rest.replaceAll(value, MASK), redactor.redact(text));
}

const memories = new WeakMap<World, EngineMemory>();

/** What a command knows of the engine: what came of asking it need not be found out for each service. */
function memoryOf(world: World): EngineMemory {
  const memory = memories.get(world) ?? new EngineMemory(world.clock);
  memories.set(world, memory);
  return memory;
}

/** The engine, asked for no service of its own. */
export function engineOf(world: World, timeoutMs: number): Engine {
  return new Engine(new DockerCommand(world.process, childEnv(world.env, []), timeoutMs), memoryOf(world));
}

/**
 * The driver of a service: what its programs get of the environment, and what of their words is never shown, comes
 * from the service's files. A restart may take `timeoutMs`, a question `questionMs`. `variables` are names that will
 * stand in the `.env` besides those that the layout knows.
 */
export function driverOf(
  service: ServiceLayout,
  root: string,
  world: World,
  timeoutMs: number,
  variables: readonly string[] = [],
  questionMs = timeoutMs,
): ServiceDriver {
  const { keys = {}, required = [], defaults = {} } = service.env ?? {};
  const before = new Sight(service);
  return driverFor(service.restart, {
    process: world.process,
    env: world.env,
    root,
    // Those that are going to be written count too.
    envKeys: [
      ...new Set([
        ...before.envTexts.flatMap(keysIn),
        ...Object.keys(keys),
        ...required,
        ...Object.keys(defaults),
        ...variables,
      ]),
    ],
    // The files may have been written since; an old credential is a secret as well.
    hide: (text) => conceal(text, [before, new Sight(service)], world.env),
    memory: memoryOf(world),
    timeoutMs,
    questionMs,
  });
}
