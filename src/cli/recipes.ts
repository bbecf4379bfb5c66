// A recipe from the command line: a file, the name of a shipped one, or a method with a ratio.
import { readFile } from 'node:fs/promises';
import { AppError } from '#base';

export interface RecipeOptions {
  readonly recipe?: string;
  readonly method?: string;
  readonly ratio?: number;
  readonly hasData: boolean;
}

/** What `--method` understands, as the settings of a step. `low-rank` looks at activations where there is text to see them on. */
const methods: Readonly<Record<string, (ratio: number, hasData: boolean) => object>> = {
  svd: (ratio) => ({ lowRank: { method: 'plain', ratio } }),
  'whitened-svd': (ratio) => ({ lowRank: { method: 'whitened', ratio } }),
  'low-rank': (ratio, hasData) => ({ lowRank: { method: hasData ? 'whitened' : 'plain', ratio } }),
};

export const methodNames = Object.keys(methods);

/** The recipe as the server takes it: what a file says, the name of one that it has, or a method with a ratio. */
export type RecipeForm = { readonly recipeYaml: string } | { readonly recipeName: string };

/** @throws AppError `invalid_argument` | `file_not_found` */
export async function recipeForm({ recipe, method, ratio, hasData }: RecipeOptions): Promise<RecipeForm> {
  if (recipe !== undefined) {
    if (method !== undefined || ratio !== undefined)
      throw new AppError('invalid_argument', '--recipe: give either a recipe, or --method and --ratio.');
    try {
      return { recipeYaml: await readFile(recipe, 'utf8') };
    } catch (thrown) {
      const error = AppError.from(thrown);
      if (error.code === 'file_not_found' && isPlainName(recipe)) return { recipeName: recipe };
      throw error;
    }
  }
  const make = method === undefined || !Object.hasOwn(methods, method) ? undefined : methods[method];
  if (make === undefined)
    throw new AppError(
      'invalid_argument',
      `--method: must be one of ${methodNames.join(', ')}, got ${method ?? 'none'}. Or give --recipe FILE.`,
    );
  if (ratio === undefined)
    throw new AppError('invalid_argument', '--ratio: is missing. Give the share of the bytes to keep, for example 0.5.');
  return { recipeYaml: JSON.stringify({ steps: [make(ratio, hasData)] }) };
}

/** Neither a folder nor an ending: such a file was surely not meant. */
function isPlainName(recipe: string): boolean {
  return /^[\w-]+$/.test(recipe);
}
