// Folders for files that a test writes, removed when it is over.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

function create(): string {
  return mkdtempSync(join(tmpdir(), 'athanor-test-'));
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** A new empty folder, removed after the running test. Call it inside a test. */
export function temporaryFolder(): string {
  const folder = create();
  onTestFinished(() => remove(folder));
  return folder;
}

/** A new empty folder, removed after the last test of the file or `describe`. Call it outside the tests. */
export function temporaryFolderForSuite(): string {
  const folder = create();
  afterAll(() => remove(folder));
  return folder;
}
