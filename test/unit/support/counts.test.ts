// Tests of the counting behind the line that ends every test run.
import { describe, expect, it } from 'vitest';
import { addCounts, parseCounts, parseJunit, printCounts } from '#test/counts';

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
});
