// What steps and the recipes inside them keep: each its own, refused by other runs, gone when it is forgotten.
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '#test/temporary';
import { RecipePlaces } from '../../../src/jobs/recipe-places.ts';

const places = (workFolder: string, fingerprint = 'run'): RecipePlaces => new RecipePlaces({ workFolder, fingerprint });
const finished = { layer: { path: 'a', kindBefore: '', kindAfter: '', bytesBefore: 1, bytesAfter: 1, weightError: 0 }, parameters: [] };

describe('places of a recipe', () => {
  it('keep notes and layers by step, key and trial', async () => {
    const folder = temporaryFolder();
    const first = places(folder);
    await first.records.remember('a', { of: 'recipe' });
    await first.ofStep(1).records?.remember('a', [1]);
    const trial = first.ofStep(1).within?.('trial 3');
    await trial?.within?.('step 0').records?.remember('a', 'of a trial');
    await trial?.within?.('step 0').memory?.remember('layer', finished);

    const second = places(folder);
    expect(await second.records.recall('a')).toEqual({ of: 'recipe' });
    expect(await second.ofStep(1).records?.recall('a')).toEqual([1]);
    expect(await second.ofStep(0).records?.recall('a')).toBeUndefined();
    const again = second.ofStep(1).within?.('trial 3');
    expect(await again?.within?.('step 0').records?.recall('a')).toBe('of a trial');
    expect(await again?.within?.('step 0').memory?.recall('layer')).toEqual(finished);
    expect(await again?.within?.('step 1').memory?.recall('layer')).toBeUndefined();
    expect(await second.ofStep(1).within?.('trial 4').within?.('step 0').records?.recall('a')).toBeUndefined();
    await again?.forget?.();
    expect(await again?.within?.('step 0').memory?.recall('layer')).toBeUndefined();
    expect((await readdir(folder)).filter((name) => name.startsWith('within'))).toEqual([]);
  });

  it('are refused by another run, and made again where they are damaged', async () => {
    const folder = temporaryFolder();
    await places(folder).records.remember('a', 1);
    await expect(places(folder, 'another').records.recall('a')).rejects.toMatchObject({ code: 'resume_mismatch' });
    for (const name of await readdir(join(folder, 'records'))) await writeFile(join(folder, 'records', name), '{"key": "a", "fing');
    expect(await places(folder).records.recall('a')).toBeUndefined();
  });
});
