const AFTER_QUOTE = /^(?:'[^']*'|"(?:[^"\\]|\\[\s\S])*"|`[^`]*`)[ \t]*(#[^\n]*)$/;
const AFTER_BLANK = /^[^'"`\s](?:[^\s]|[ \t](?!#))*[ \t](#[^\n]*)$/;

/**
 * The comment behind a value, from its hash on: after a closing quote, or after a blank, or where
 * there is no value. A hash right behind other text is no comment to most programs, and may be a part of the secret.
 */
export function inlineComment(raw: string): string | undefined {
  if (/^#[ \t]/.test(raw)) return raw;
  return (AFTER_QUOTE.exec(raw) ?? AFTER_BLANK.exec(raw))?.[1];
}

/**
 * Comment lines that may stand on lines of their own: each begins with `#`, and none ends in a backslash, which
 * older systemd takes for a continuation (readers.md §7, rule 3).
 */
export function commentLines(comment: readonly string[]): string[] {
  return comment
    .flatMap((line) => line.split(/\r\n|\r|\n/))
    .map((line) => (line === '' || line.startsWith('#') ? line : `# ${line}`).replace(/[\\\s]+$/, ''));
}
