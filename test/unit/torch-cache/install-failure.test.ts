import { expect, test } from 'vitest';
import { installFailure } from '../../../entrypoint/torch-cache/install-failure.ts';
import { readTorchSettings } from '../../../entrypoint/torch-cache/settings.ts';

test('what the installer says is passed on whole: cut in the middle of a secret, it would not be known as one', () => {
  const said = `ERROR: ${'x'.repeat(295)} the-end`;
  const refusal = installFailure(
    'pip',
    { code: 1, stdout: '', stderr: said },
    { tier: 'T2', wheelhouse: '/wheelhouse' },
    { settings: readTorchSettings({ TORCH_LOCK: 'off' }), owner: { uid: 1000, gid: 1000 } },
  );
  expect(refusal.message).toContain(said);
});
