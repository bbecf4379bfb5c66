// The folder of large data sets and models that lies beside the repository, where a machine has one.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'vitest';

/** The repository's root folder. */
export const repositoryRoot: string = resolve(import.meta.dirname, '../..');

const candidate = resolve(repositoryRoot, '../shared');

/** Absolute path of `../shared`, or undefined where this machine has none. */
export const sharedFolder: string | undefined = existsSync(join(candidate, 'models')) ? candidate : undefined;

/**
 * A `describe` whose tests need `../shared`: they get its path, and where it (or one of `needs`) is missing one skipped test says so.
 *
 * @param needs - files or folders below `../shared` that must exist
 */
export function describeWithShared(name: string, body: (shared: string) => void, needs: readonly string[] = []): void {
  const missing = needs.map((path) => join('../shared', path)).find((path) => !existsSync(resolve(repositoryRoot, path)));
  describe(name, () => {
    if (sharedFolder !== undefined && missing === undefined) body(sharedFolder);
    else it('runs on the shared data', (context) => context.skip(`${missing ?? '../shared'} is not there`));
  });
}
