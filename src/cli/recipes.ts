// A recipe from the command line: a file, or a method with a ratio.
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

/** The recipe as YAML. @throws AppError `invalid_argument` | `file_not_found` */
export async function recipeText({ recipe, method, ratio, hasData }: RecipeOptions): Promise<string> {
  if (recipe !== undefined) {
    if (method !== undefined || ratio !== undefined)
      throw new AppError('invalid_argument', '--recipe: give either a recipe file, or --method and --ratio.');
    try {
      return await readFile(recipe, 'utf8');
    } catch (error) {
      throw AppError.from(error);
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
  return JSON.stringify({ steps: [make(ratio, hasData)] });
}
