import type { CredentialLocation, EnvFileLocation, ServiceLayout } from '../model/layout.ts';

/** What a declaration makes of a file as a whole: two that differ would each write over the other. */
function formOf(location: CredentialLocation | EnvFileLocation): string {
  if (location.kind === 'env-file' || location.kind === 'env-key') return 'a .env';
  return location.kind === 'token-file' ? `a token-file that holds the ${location.holds}` : location.kind;
}

/** The parts that a declaration puts under keys of a `.env`. */
function keysOf(location: CredentialLocation | EnvFileLocation): [key: string, form: string][] {
  if (location.kind === 'env-key') return [[location.key, `the ${location.holds}`]];
  if (location.kind !== 'env-file') return [];
  return Object.entries(location.keys).map(([key, part]) => [key, `the ${part}`]);
}

/**
 * Two declarations that contradict each other on one file, or on one key of it; also a location that is the
 * layout itself. The first such, with the service that makes the second declaration.
 */
export function contradiction(
  services: readonly ServiceLayout[],
  layoutFile: string,
): { service: string; why: string } | undefined {
  const declared = new Map<string, string>([[layoutFile, 'the layout']]);
  for (const { name, env, locations } of services) {
    for (const location of env === undefined ? locations : [env, ...locations]) {
      const { path } = location;
      const forms: [name: string, form: string][] = [
        [path, formOf(location)],
        ...keysOf(location).map(([key, form]): [string, string] => [`${key} in ${path}`, form]),
      ];
      for (const [subject, form] of forms) {
        const before = declared.get(subject) ?? form;
        if (before !== form)
          return { service: name, why: `${subject} is declared as ${before} and as ${form}` };
        declared.set(subject, form);
      }
    }
  }
  return undefined;
}
