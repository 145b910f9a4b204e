/** Those of ComfyUI's own options that decide who is let in, and where it listens. */
export interface Flags {
  listen: string;
  port: number;
  /** The value of `--enable-cors-header`, `*` where it stands alone. */
  corsOrigin: string | undefined;
  baseDirectory: string | undefined;
  /** The custom nodes that are loaded in spite of `--disable-all-custom-nodes`; undefined: all are. */
  onlyNodes: string[] | undefined;
}

/** The words that follow an option, up to the next one; undefined where the option does not occur. */
function valuesOf(argv: readonly string[], name: string): string[] | undefined {
  const at = argv.findLastIndex((word) => word === name || word.startsWith(`${name}=`));
  const word = argv[at];
  if (word === undefined) return undefined;
  if (word !== name) return [word.slice(name.length + 1)];
  const rest = argv.slice(at + 1);
  const end = rest.findIndex((next) => next.startsWith('-'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** Reads ComfyUI's options as its argparse does, as far as they matter here. */
export function readFlags(argv: readonly string[]): Flags {
  const listen = valuesOf(argv, '--listen');
  const cors = valuesOf(argv, '--enable-cors-header');
  const disabled = valuesOf(argv, '--disable-all-custom-nodes') !== undefined;
  return {
    listen: listen === undefined ? '127.0.0.1' : (listen[0] ?? '0.0.0.0'),
    port: Number(valuesOf(argv, '--port')?.[0] ?? 8188),
    corsOrigin: cors === undefined ? undefined : (cors[0] ?? '*'),
    baseDirectory: valuesOf(argv, '--base-directory')?.[0],
    onlyNodes: disabled ? (valuesOf(argv, '--whitelist-custom-nodes') ?? []) : undefined,
  };
}
