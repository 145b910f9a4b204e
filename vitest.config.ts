import { defineConfig } from 'vitest/config';

// Two projects: what needs only Node, and what needs Docker, Python, Go or strace as well.
// Tests spawn the built bundles and compute bcrypt, so the bounds are wide: the machines are shared.
export default defineConfig({
  // The build gives the version to the faces; tests that import one directly need a stand-in for it.
  define: { __VERSION__: JSON.stringify('0.0.0') },
  test: {
    setupFiles: ['test/seed.ts'],
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
