const PLACEHOLDERS = [
  /^<[\s\S]*>$/,
  /_REDACTED$/i,
  /^REDACTED$/i,
  /^ROTATED\b/i,
  /^your[_-][\s\S]*[_-]here$/i,
  /^your[_-][a-z0-9_-]*(?:token|key|password|secret)$/i,
  /^change[_-]?me\b/i,
  /^auto[_-]generated/i,
  /^(?:todo|xxx+|replace[_-]?me|placeholder|example)$/i,
  /^\*+$/,
];

/** Whether a value stands where a real one belongs (domain.md §5), e.g. `changeme` or `HF_TOKEN_REDACTED`. */
export function isPlaceholder(value: string): boolean {
  const trimmed = value.trim().replace(/^(['"])(.*)\1$/, '$2');
  return PLACEHOLDERS.some((pattern) => pattern.test(trimmed));
}
