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

interface GoTestEvent {
  readonly Action: string;
  readonly Package?: string;
  readonly Test?: string;
  readonly Output?: string;
}

/** What `go test -json` said: the totals over its tests (a test with parts counts as its parts), and the words worth showing. */
export interface GoTestRun {
  readonly counts: TestCounts;
  /** Output of what failed, and the reasons of what was skipped. */
  readonly report: string;
}

export function parseGoTest(output: string): GoTestRun {
  const events = output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as GoTestEvent);
  const outputs = new Map<string, string>();
  const endings = new Map<string, string>();
  const parents = new Set<string>();
  for (const { Action, Package = '', Test = '', Output = '' } of events) {
    const id = `${Package} ${Test}`;
    // A package without tests ends with `skip`: nobody left anything out.
    if (['pass', 'fail', 'skip'].includes(Action)) endings.set(id, Action);
    else if (Action === 'output' || Action === 'build-output') outputs.set(id, (outputs.get(id) ?? '') + Output);
    for (let slash = Test.lastIndexOf('/'); slash > 0; slash = Test.lastIndexOf('/', slash - 1))
      parents.add(`${Package} ${Test.slice(0, slash)}`);
  }
  const tests = [...endings].filter(([id]) => !id.endsWith(' ') && !parents.has(id));
  const count = (action: string): number => tests.filter(([, ending]) => ending === action).length;
  // A package that failed without a failed test did not compile, or broke off.
  const failedIn = (name: string): boolean => tests.some(([id, ending]) => ending === 'fail' && id.startsWith(name));
  const brokenPackages = [...endings].filter(([id, ending]) => id.endsWith(' ') && ending === 'fail' && !failedIn(id));
  const shown = [...endings].filter(([id, ending]) => ending === 'fail' || (ending === 'skip' && !id.endsWith(' ')));
  const buildWords = [...outputs].filter(([id]) => id.startsWith(' ')).map(([, words]) => words);
  return {
    counts: { passed: count('pass'), failed: count('fail') + brokenPackages.length, skipped: count('skip') },
    report: [...buildWords, ...shown.map(([id]) => outputs.get(id) ?? '')].join(''),
  };
}
