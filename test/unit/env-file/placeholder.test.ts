import { expect, test } from 'vitest';
import { isPlaceholder } from '../../../src/env-file/placeholder.ts';

test.each([
  'HF_TOKEN_REDACTED',
  'ROTATED 2026-01-31',
  'your_token_here',
  'your-civitai-token-here',
  'changeme',
  'CHANGE_ME',
  '<your token>',
  'auto_generated_key',
])('%s is a placeholder', (value) => {
  expect(isPlaceholder(value)).toBe(true);
});

test.each(['', 'admin', 'hf_abc123', 'rotatedX', 'my your_words', '0', 'true', 'a<b>'])(
  '%j is none',
  (value) => {
    expect(isPlaceholder(value)).toBe(false);
  },
);
