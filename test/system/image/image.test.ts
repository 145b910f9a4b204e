import { afterAll, afterEach, beforeAll, describe, vi } from 'vitest';
import { ImageRig, withoutImage } from './rig.ts';
import { composeSuite } from './suite-compose.ts';
import { imageSuite } from './suite-image.ts';
import { openSuite } from './suite-open.ts';
import { signalSuite } from './suite-signals.ts';

// All of it in one file: the image is built once.
const skipped = withoutImage();

vi.setConfig({ testTimeout: 400_000 });

let rig: ImageRig;
beforeAll(async () => {
  if (!skipped) rig = await ImageRig.start();
});
afterEach(() => rig.clear());
afterAll(() => rig?.stop());

describe.skipIf(skipped)('for real', () => {
  imageSuite(() => rig);
  composeSuite(() => rig);
  signalSuite(() => rig);
  openSuite(() => rig);
});
