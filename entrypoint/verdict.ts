import { type FindingCode, finding } from '../src/model/finding.ts';
import type { ProbeFinding, ProbeReport } from '../src/probe/check.ts';
import { wordsOf } from '../src/report/messages.ts';
import { ContainerExit, Refusal } from './exit.ts';
import { MISSING_REMEDY } from './guard/presence.ts';

const LOOK_ABOVE = 'look above for the error with which ComfyUI-Login failed to load, and correct that';

/** What to do inside the container; the words of a finding elsewhere speak of the host. */
const REMEDIES: Partial<Record<FindingCode, string>> = {
  'bearer-refused':
    'see that the command runs the ComfyUI of COMFYUI_DIR, and that it listens at COMFYUI_PORT',
  'origin-required': 'set COMFYUI_CORS_ORIGIN to that origin, or write --enable-cors-header into the command',
  'not-comfyui': 'see that the command runs ComfyUI, and that it listens at COMFYUI_PORT',
  'not-ready': 'look above for what it was doing; raise VERIFY_TIMEOUT where it only needs longer',
  down: 'look above for what it was doing; raise VERIFY_TIMEOUT where it only needs longer',
  // No reason to end one that has no guard: this one should have had it.
  'open-by-suffix': MISSING_REMEDY,
  'guest-mode-on': 'set GUEST_MODE_ENABLED=true where guests are meant',
};

/** A finding of the probe in words. */
export function messageOf({ code, args }: ProbeFinding, url: string): string {
  return wordsOf(finding(code, { location: { path: url, kind: 'server' }, args }), { root: '/', cwd: '/' })
    .message;
}

/** Why a server that was not proved may not go on: 76 open, 78 protected but of no use, 69 never ready. */
export function refusalOf({ status, findings }: ProbeReport, url: string): Refusal {
  const [first] = findings;
  const why = first === undefined ? `${url}: ${status}` : messageOf(first, url);
  const remedy = (first && REMEDIES[first.code]) ?? LOOK_ABOVE;
  switch (status) {
    case 'open':
      return new Refusal({
        code: first?.code ?? status,
        exit: ContainerExit.open,
        message: `${why}; it was killed`,
        remedy,
      });
    case 'refused':
      return new Refusal({ code: first?.code ?? status, message: why, remedy });
    default:
      return new Refusal({
        code: first?.code ?? status,
        exit: ContainerExit.neverReady,
        message: `never ready: ${why}`,
        remedy,
      });
  }
}

/** Why a child that ended with 0 before its proof is no success. */
export const endedUnproven = () =>
  new Refusal({
    code: 'ended-unproven',
    exit: ContainerExit.neverReady,
    message: 'never ready: the command ended by itself before it was proven',
    remedy: 'look above for why it ended; the command behind `run --` must be ComfyUI, in the foreground',
  });
