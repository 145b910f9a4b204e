/**
 * Splits a line into words as a POSIX shell would: blanks separate, quotes and backslashes join.
 * Nothing is expanded: `$`, `*` and back-ticks are plain characters. Undefined where a quote stays open.
 */
export function shellWords(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let rest = line;
  while (rest !== '') {
    const token = TOKEN.exec(rest);
    if (token === null) return undefined;
    rest = rest.slice(token[0].length);
    const { blank, single, double, escaped, plain } = token.groups ?? {};
    if (blank !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word = (word ?? '') + (single ?? double?.replace(/\\([\\"$`])/g, '$1') ?? escaped ?? plain ?? '');
  }
  if (word !== undefined) words.push(word);
  return words;
}

const TOKEN =
  /^(?:(?<blank>\s+)|'(?<single>[^']*)'|"(?<double>(?:[^"\\]|\\[\s\S])*)"|\\(?<escaped>[\s\S])|(?<plain>[^\s'"\\]+))/;
