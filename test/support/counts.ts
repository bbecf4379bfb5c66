// How many tests passed, failed and were skipped, and the one line that says so.

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** `12 passed, 0 failed`, with `, 1 skipped` when there are any. */
export function printCounts({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Finds the last such line in a run's output; undefined when the run ended before it was printed. */
export function parseCounts(output: string): TestCounts | undefined {
  const last = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
  if (last === undefined) return undefined;
  const [, passed, failed, skipped = '0'] = last;
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}

export function addCounts(left: TestCounts, right: TestCounts): TestCounts {
  return { passed: left.passed + right.passed, failed: left.failed + right.failed, skipped: left.skipped + right.skipped };
}

/**
 * Reads the totals of a JUnit file as pytest writes it.
 *
 * @throws Error when no `testsuite` is in it
 */
export function parseJunit(xml: string): TestCounts {
  const suites = [...xml.matchAll(/<testsuite\s[^>]*>/g)].map(([tag]) => tag);
  if (suites.length === 0) throw new Error('the JUnit file has no <testsuite>: did pytest stop early?');
  const count = (tag: string, name: string): number => Number(new RegExp(`\\s${name}="(\\d+)"`).exec(tag)?.[1] ?? 0);
  return suites
    .map((tag) => {
      const failed = count(tag, 'failures') + count(tag, 'errors');
      const skipped = count(tag, 'skipped');
      return { passed: count(tag, 'tests') - failed - skipped, failed, skipped };
    })
    .reduce(addCounts);
}
