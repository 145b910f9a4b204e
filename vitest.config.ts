import { defineConfig } from 'vitest/config';

// Two projects: what needs only Node, and what needs Docker, Python, Go or strace as well.
// Tests spawn the built bundles and compute bcrypt, so the bounds are wide: the machines are shared.
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: 'node', include: ['test/{unit,process,contract}/**/*.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/{system,faults}/**/*.test.ts'],
          testTimeout: 1_200_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
