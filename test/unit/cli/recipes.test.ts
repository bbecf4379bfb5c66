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

  it('is any step of a recipe with its settings', async () => {
    const form = await recipeForm({ method: 'quantize', set: ['bits=4', 'method=gptq', 'symmetric=true'], hasData: true });
    expect(form).toEqual({ recipeYaml: JSON.stringify({ steps: [{ quantize: { bits: 4, method: 'gptq', symmetric: true } }] }) });
    const narrow = await recipeForm({ method: 'factorize-embedding', set: ['width=64'], hasData: false });
    expect(narrow).toEqual({ recipeYaml: JSON.stringify({ steps: [{ factorizeEmbedding: { width: 64 } }] }) });
    const cut = await recipeForm({ method: 'prune', ratio: 0.5, set: ['structure=heads'], hasData: true });
    expect(cut).toEqual({ recipeYaml: JSON.stringify({ steps: [{ prune: { ratio: 0.5, structure: 'heads' } }] }) });
    await expect(recipeForm({ method: 'prune', set: ['structure'], hasData: true })).rejects.toThrow(
      /--set: must be name=value, got "structure"/,
    );
    await expect(recipeForm({ method: 'squeeze', hasData: true })).rejects.toThrow(/--method: must be one of .*quantize.*got squeeze/);
    const search = await recipeForm({ method: 'search', ratio: 0.5, hasData: true });
    expect(search).toEqual({ recipeYaml: JSON.stringify({ steps: [{ search: { target: { ratio: 0.5 } } }] }) });
    await expect(recipeForm({ method: 'gate', hasData: true })).rejects.toThrow(/got gate/);
    await expect(recipeForm({ method: 'svd', set: ['rank=4'], hasData: true })).rejects.toThrow(/svd takes a ratio alone/);
  });
});
