// Ends a vitest run with the line `N passed, N failed`, after the reason of every skipped test.
import type { Reporter, SerializedError, TestModule, Vitest } from 'vitest/node';
import { printCounts } from './counts.ts';

/** Counts tests; a file that does not load and an error outside every test count as one failure each. */
export class CountReporter implements Reporter {
  #filtered = false;

  onInit(vitest: Vitest): void {
    // Under -t the tests left out look skipped, without a reason to give.
    this.#filtered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 };
    const reasons: string[] = [];
    for (const module of modules) {
      const numTests = { before: counts.passed + counts.failed + counts.skipped };
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') counts.passed++;
        else if (result.state === 'failed') counts.failed++;
        else if (!this.#filtered) {
          counts.skipped++;
          const reason = (result.state === 'skipped' ? result.note : undefined) ?? 'no reason given';
          reasons.push(`skipped: ${module.relativeModuleId} > ${test.fullName}: ${reason}`);
        }
      }
      const grown = counts.passed + counts.failed + counts.skipped > numTests.before;
      if (module.state() === 'failed' && (module.errors().length > 0 || !grown)) counts.failed++;
    }
    for (const line of [...reasons, printCounts(counts)]) process.stdout.write(`${line}\n`);
  }
}
