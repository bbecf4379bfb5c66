// Test projects, one a folder of test/: `npx vitest run --project unit`, or a path to run one file.
import { defineConfig } from 'vitest/config';
import { CountReporter } from './test/support/count-reporter.ts';

const second = 1000;

/** Limits are for hanging tests, not for slow machines: no test may lean on them. */
const timeoutMs = {
  unit: 60 * second,
  conformance: 120 * second,
  grad: 120 * second,
  golden: 120 * second,
  property: 120 * second,
  e2e: 300 * second,
};

export default defineConfig({
  test: {
    // The runtime's library lives in the process: forks, so that a crash ends one file and not the run.
    pool: 'forks',
    maxWorkers: 2,
    // Soak tests collect garbage before they measure memory.
    execArgv: ['--expose-gc'],
    reporters: ['default', new CountReporter()],
    coverage: { include: ['src/**/*.ts'], exclude: ['**/gen/**'] },
    projects: Object.entries(timeoutMs).map(([name, limitMs]) => ({
      extends: true,
      test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: limitMs, hookTimeout: limitMs },
    })),
  },
});
