// Tests of the counting behind the line that ends every test run.
import { describe, expect, it } from 'vitest';
import { addCounts, parseCounts, parseGoTest, parseJunit, printCounts } from '#test/counts';

describe('test counts', () => {
  it('prints skipped tests only when there are any', () => {
    expect(printCounts({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
    expect(printCounts({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });

  it('reads back the last printed line and nothing else', () => {
    expect(parseCounts('1 passed, 1 failed\n say: 9 passed, 9 failed\n2 passed, 0 failed, 4 skipped\n')).toEqual({
      passed: 2,
      failed: 0,
      skipped: 4,
    });
    expect(parseCounts('Tests  2 passed (2)\n')).toBeUndefined();
  });

  it('adds the sides up', () => {
    expect(addCounts({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 })).toEqual({
      passed: 11,
      failed: 22,
      skipped: 33,
    });
  });

  it('counts failures and errors of a JUnit file as failed', () => {
    const xml = '<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10" time="0.1"></testsuite></testsuites>';
    expect(parseJunit(xml)).toEqual({ passed: 4, failed: 3, skipped: 3 });
    expect(() => parseJunit('<testsuites></testsuites>')).toThrow('no <testsuite>');
  });

  const lines = (...events: readonly Readonly<Record<string, string>>[]): string =>
    ['not an event', ...events.map((event) => JSON.stringify(event))].join('\n');

  it('counts the innermost Go tests, and shows what failed and why something was skipped', () => {
    const { counts, report } = parseGoTest(
      lines(
        { Action: 'output', Package: 'x', Test: 'TestA/b', Output: 'no disk\n' },
        { Action: 'skip', Package: 'x', Test: 'TestA/b' },
        { Action: 'output', Package: 'x', Test: 'TestA/c', Output: 'wrong\n' },
        { Action: 'fail', Package: 'x', Test: 'TestA/c' },
        { Action: 'output', Package: 'x', Test: 'TestA/d', Output: 'right\n' },
        { Action: 'pass', Package: 'x', Test: 'TestA/d' },
        { Action: 'fail', Package: 'x', Test: 'TestA' },
        { Action: 'pass', Package: 'x', Test: 'TestB' },
        { Action: 'fail', Package: 'x' },
        { Action: 'skip', Package: 'x/without-tests' },
      ),
    );
    expect(counts).toEqual({ passed: 2, failed: 1, skipped: 1 });
    expect(report).toBe('no disk\nwrong\n');
  });

  it('counts a Go package that does not compile as one failure, with the words of the compiler', () => {
    const { counts, report } = parseGoTest(
      lines(
        { Action: 'build-output', ImportPath: 'x [x.test]', Output: './a_test.go:3:27: undefined: g\n' },
        { Action: 'fail', Package: 'x' },
        { Action: 'pass', Package: 'y', Test: 'TestA' },
        { Action: 'pass', Package: 'y' },
      ),
    );
    expect(counts).toEqual({ passed: 1, failed: 1, skipped: 0 });
    expect(report).toContain('undefined: g');
  });
});
