/**
 * The value of the last occurrence of one of ComfyUI's options that take one: `--name value`, `--name=value`, or an
 * abbreviation not shorter than `shortest`, as argparse reads them.
 */
export function optionValue(argv: readonly string[], name: string, shortest: string): string | undefined {
  let value: string | undefined;
  for (const [index, word] of argv.entries()) {
    const [option = '', ...inline] = word.split('=');
    if (!option.startsWith(shortest) || !name.startsWith(option)) continue;
    const next = inline.length > 0 ? inline.join('=') : argv[index + 1];
    if (next !== undefined && (inline.length > 0 || !next.startsWith('-'))) value = next;
  }
  return value;
}
