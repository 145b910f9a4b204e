import { join } from 'node:path';
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

/** The deployment that a finding is about, and the folder that the command was given in. */
export interface Deployment {
  /** Its folder. */
  root: string;
  /** The layout that was read, where there is one. */
  layout?: string | undefined;
  cwd: string;
}

/** The options by which a command finds the same deployment; a layout names its folder, too. */
function optionsOf({ root, layout, cwd }: Deployment, word: (path: string) => string): string {
  if (layout !== undefined && layout !== join(root, 'comfyui-auth.yml')) return ` --layout ${word(layout)}`;
  return root === cwd ? '' : ` --root ${shellWord(root)}`;
}

/** The words of a finding. */
export function wordsOf(finding: Finding, deployment: Deployment): Words {
  const { root, cwd } = deployment;
  const place = finding.location?.path ?? root;
  const service = finding.service === undefined ? '' : ` --service ${shellWord(finding.service)}`;
  const word = (path: string) => shellWord(shortPath(path, cwd));
  return WORDS[finding.code]({
    args: finding.args,
    kind: finding.location?.kind,
    path: shortPath(place, root),
    target: word(place),
    folder: word(root),
    service,
    root: optionsOf(deployment, word),
    word,
  });
}
