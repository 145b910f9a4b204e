import type { Finding, FindingCode } from '../model/finding.ts';
import { credentialWords } from './messages-credential.ts';
import { fileWords } from './messages-files.ts';
import { liveWords } from './messages-live.ts';
import { serviceWords } from './messages-service.ts';
import { shellWord, shortPath } from './place.ts';
import type { WordContext, Words } from './words.ts';

const WORDS: Record<FindingCode, (context: WordContext) => Words> = {
  ...fileWords,
  ...credentialWords,
  ...liveWords,
  ...serviceWords,
};

/** The words of a finding. `root` is the deployment's folder, `cwd` the one that the command was given in. */
export function wordsOf(finding: Finding, root: string, cwd: string): Words {
  const place = finding.location?.path ?? root;
  const service = finding.service === undefined ? '' : ` --service ${shellWord(finding.service)}`;
  const where = root === cwd ? '' : ` --root ${shellWord(root)}`;
  return WORDS[finding.code]({
    args: finding.args,
    kind: finding.location?.kind,
    path: shortPath(place, root),
    target: shellWord(shortPath(place, cwd)),
    folder: shellWord(shortPath(root, cwd)),
    service,
    root: where,
  });
}
