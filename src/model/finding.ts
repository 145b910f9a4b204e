/** Severities, mildest first. */
export const SEVERITIES = ['info', 'warning', 'error', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Every finding code with its usual severity (contract.md, Finding codes). */
const FINDINGS = {
  'file-missing': 'error',
  'not-a-file': 'error',
  'file-unreadable': 'error',
  'mode-too-open': 'warning',
  'owner-wrong': 'warning',
  'owner-unknown': 'warning',
  'tracked-by-git': 'error',
  'in-workspace': 'warning',
  'backup-stale': 'warning',
  'journal-pending': 'error',
  'env-file-rejected': 'error',
  'key-missing': 'error',
  'key-empty': 'error',
  placeholder: 'error',
  'key-duplicated': 'warning',
  'variable-unread': 'info',
  'env-shadowed': 'warning',
  'value-mangled': 'error',
  unspellable: 'error',
  'bearer-malformed': 'error',
  'bearer-costly': 'error',
  'bearer-drift': 'error',
  'password-drift': 'error',
  'username-drift': 'warning',
  'pair-mismatch': 'error',
  'other-lineage': 'error',
  'password-too-long': 'error',
  'password-unusable': 'error',
  'password-weak': 'warning',
  'secret-key-weak': 'warning',
  'password-file-missing': 'critical',
  'password-file-malformed': 'critical',
  'guest-mode-on': 'error',
  'session-key-open': 'warning',
  'legacy-password-file': 'error',
  'login-disabled': 'critical',
  'conf-malformed': 'error',
  'credential-unknown': 'error',
  'engine-unreachable': 'error',
  'compose-missing': 'error',
  'container-missing': 'error',
  'container-exited': 'error',
  'container-restarting': 'error',
  'restart-failed': 'error',
  'left-stopped': 'error',
  unproven: 'error',
  'stale-process': 'error',
  'container-env-drift': 'error',
  'mount-elsewhere': 'error',
  'port-exposed': 'warning',
  'login-node-missing': 'critical',
  'login-node-broken': 'critical',
  down: 'error',
  'not-ready': 'error',
  'guard-closed': 'error',
  open: 'critical',
  'open-by-empty-token': 'critical',
  'open-by-suffix': 'warning',
  'first-visit': 'critical',
  'wrong-bearer-accepted': 'critical',
  'bearer-refused': 'error',
  'password-refused': 'error',
  'header-malformed': 'error',
  'origin-required': 'error',
  'not-comfyui': 'error',
  redirected: 'error',
} as const satisfies Record<string, Severity>;

export type FindingCode = keyof typeof FINDINGS;

/** Every finding code. */
export const FINDING_CODES = Object.keys(FINDINGS) as FindingCode[];

export type LocationKind =
  | 'env-file'
  | 'env-key'
  | 'token-file'
  | 'conf-json'
  | 'password-file'
  | 'server'
  | 'container'
  | 'file';

/** Where a finding was made. `line` counts from 1. */
export interface Place {
  path: string;
  kind: LocationKind;
  key?: string;
  line?: number;
}

export type FindingArgs = Record<string, string | number | boolean>;

/** A coded fact. Its words live in `report/`; nothing in it is a secret. */
export interface Finding {
  code: FindingCode;
  severity: Severity;
  service?: string;
  location?: Place;
  args: FindingArgs;
}

export interface FindingContext {
  severity?: Severity;
  service?: string | undefined;
  location?: Place | undefined;
  args?: FindingArgs;
}

/** A finding with the usual severity of its code, unless the context gives another. */
export function finding(code: FindingCode, context: FindingContext = {}): Finding {
  const { severity = FINDINGS[code], service, location, args = {} } = context;
  return {
    code,
    severity,
    ...(service !== undefined && { service }),
    ...(location !== undefined && { location }),
    args,
  };
}

/** Whether a severity reaches a threshold. */
export function reaches(severity: Severity, threshold: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(threshold);
}
