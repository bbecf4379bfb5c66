// The versions that the first attempt of a job began with: a resumed one must not pick up newer ones.
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelHub } from './model-hub.ts';

const fileName = 'inputs.json';

/**
 * Runs `work` with the version that each reference meant when the job began, by reference; empty references are left out.
 *
 * A job that fails before it has anything to go on with leaves nothing behind.
 */
export async function withPinnedInputs<Result>(
  hub: ModelHub,
  references: readonly string[],
  workFolder: string,
  work: (pinnedTo: (reference: string) => string) => Promise<Result>,
): Promise<Result> {
  const pinned = await pinnedInputs(hub, references, workFolder);
  try {
    return await work((reference) => pinned.get(reference) ?? reference);
  } catch (error) {
    const left = await readdir(workFolder).catch(() => []);
    if (left.every((name) => name === fileName)) await rm(join(workFolder, fileName), { force: true });
    throw error;
  }
}

async function pinnedInputs(hub: ModelHub, references: readonly string[], workFolder: string): Promise<ReadonlyMap<string, string>> {
  const path = join(workFolder, fileName);
  const saved = await readFile(path, 'utf8').catch(() => undefined);
  if (saved !== undefined) return new Map(Object.entries(JSON.parse(saved) as Record<string, string>));
  const pinned = new Map<string, string>();
  for (const reference of references) {
    if (reference === '') continue;
    const { name, version } = await hub.get(reference);
    pinned.set(reference, `${name}@${version}`);
  }
  await writeFile(`${path}.new`, JSON.stringify(Object.fromEntries(pinned)));
  await rename(`${path}.new`, path);
  return pinned;
}
