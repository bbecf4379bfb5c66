// What `--recipe`, `--method` and `--ratio` become: a file's words, the name of a shipped recipe, or a step.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '#test/temporary';
import { recipeForm } from '../../../src/cli/recipes.ts';

describe('a recipe on the command line', () => {
  it('is what its file says, and a name where there is no such file', async () => {
    const file = join(temporaryFolder(), 'mine.yaml');
    await writeFile(file, 'steps: []');
    expect(await recipeForm({ recipe: file, hasData: false })).toEqual({ recipeYaml: 'steps: []' });
    expect(await recipeForm({ recipe: 'tqcompressor', hasData: false })).toEqual({ recipeName: 'tqcompressor' });
    await expect(recipeForm({ recipe: 'nowhere.yaml', hasData: false })).rejects.toMatchObject({ code: 'file_not_found' });
    await expect(recipeForm({ recipe: './nowhere', hasData: false })).rejects.toMatchObject({ code: 'file_not_found' });
  });

  it('is one method with a ratio, and not both', async () => {
    const form = await recipeForm({ method: 'low-rank', ratio: 0.5, hasData: true });
    expect(form).toEqual({ recipeYaml: JSON.stringify({ steps: [{ lowRank: { method: 'whitened', ratio: 0.5 } }] }) });
    await expect(recipeForm({ recipe: 'default', ratio: 0.5, hasData: true })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(recipeForm({ method: 'svd', hasData: true })).rejects.toThrow(/--ratio: is missing/);
  });
});
