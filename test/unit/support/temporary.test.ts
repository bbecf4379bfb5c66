// Tests that temporary folders are there during a test and gone after it.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';

describe('temporary folders', () => {
  const suiteFolder = temporaryFolderForSuite();
  let previous = '';

  it('exist during the test, each its own', () => {
    previous = temporaryFolder();
    const other = temporaryFolder();
    expect(other).not.toBe(previous);
    writeFileSync(join(previous, 'file'), 'text');
    writeFileSync(join(suiteFolder, 'file'), 'text');
  });

  it('are removed with what is in them when their test is over, the suite folder later', () => {
    expect(previous).not.toBe('');
    expect(existsSync(previous)).toBe(false);
    expect(existsSync(join(suiteFolder, 'file'))).toBe(true);
  });
});
