// The versions that the first attempt of a job began with: a resumed one must not pick up newer ones.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelHub } from './model-hub.ts';

/** The version that each reference meant when the job began, by reference; empty references are left out. */
export async function pinnedInputs(hub: ModelHub, references: readonly string[], workFolder: string): Promise<ReadonlyMap<string, string>> {
  const path = join(workFolder, 'inputs.json');
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
