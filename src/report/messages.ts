import type { Finding, FindingCode } from '../model/finding.ts';
import { credentialWords } from './messages-credential.ts';
import { fileWords } from './messages-files.ts';
import { liveWords } from './messages-live.ts';
import { shortPath } from './place.ts';
import type { WordContext, Words } from './words.ts';

const WORDS: Record<FindingCode, (context: WordContext) => Words> = {
  ...fileWords,
  ...credentialWords,
  ...liveWords,
};

/** Quotes a word for a shell where it needs that. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The words of a finding. `root` is the deployment's folder, `cwd` the one that the command was given in. */
export function wordsOf(finding: Finding, root: string, cwd: string): Words {
  const path = shellWord(shortPath(finding.location?.path ?? root, root));
  const service = finding.service === undefined ? '' : ` --service ${shellWord(finding.service)}`;
  const where = root === cwd ? '' : ` --root ${shellWord(root)}`;
  return WORDS[finding.code]({
    args: finding.args,
    kind: finding.location?.kind,
    path,
    service,
    root: where,
  });
}
