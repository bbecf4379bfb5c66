// A recipe from the command line: a file, the name of a shipped one, or a method with a ratio.
import { readFile } from 'node:fs/promises';
import { AppError } from '#base';
import { methods } from '#compress';

export interface RecipeOptions {
  readonly recipe?: string;
  readonly method?: string;
  readonly ratio?: number;
  /** Further settings of the method, each `name=value`. */
  readonly set?: readonly string[];
  readonly hasData: boolean;
}

/** Short names, as the settings of a step. `low-rank` looks at activations where there is text to see them on. */
const shortcuts: Readonly<Record<string, (ratio: number, hasData: boolean) => object>> = {
  svd: (ratio) => ({ lowRank: { method: 'plain', ratio } }),
  'whitened-svd': (ratio) => ({ lowRank: { method: 'whitened', ratio } }),
  'low-rank': (ratio, hasData) => ({ lowRank: { method: hasData ? 'whitened' : 'plain', ratio } }),
  search: (ratio) => ({ search: { target: { ratio } } }),
};

/** Every step that a recipe may have and that makes sense alone, as options are written: `factorize-embedding`. */
const stepNames: ReadonlyMap<string, string> = new Map(
  Object.keys(methods)
    .filter((name) => name !== 'gate')
    .map((name) => [name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), name]),
);

/** What `--method` understands. */
export const methodNames = [...new Set([...Object.keys(shortcuts), ...stepNames.keys()])];

/**
 * `bits=4`, as JSON where it is JSON and as text where it is not.
 *
 * @throws AppError `invalid_argument`
 */
function stepSettings(assignments: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    assignments.map((assignment) => {
      const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(assignment) ?? [];
      if (name === '') throw new AppError('invalid_argument', `--set: must be name=value, got "${assignment}".`);
      try {
        return [name, JSON.parse(value) as unknown];
      } catch {
        return [name, value];
      }
    }),
  );
}

/** The recipe as the server takes it: what a file says, the name of one that it has, or a method with a ratio. */
export type RecipeForm = { readonly recipeYaml: string } | { readonly recipeName: string };

/** @throws AppError `invalid_argument` | `file_not_found` */
export async function recipeForm({ recipe, method, ratio, set = [], hasData }: RecipeOptions): Promise<RecipeForm> {
  if (recipe !== undefined) {
    if (method !== undefined || ratio !== undefined || set.length > 0)
      throw new AppError('invalid_argument', '--recipe: give either a recipe, or --method with --ratio and --set.');
    try {
      return { recipeYaml: await readFile(recipe, 'utf8') };
    } catch (thrown) {
      const error = AppError.from(thrown);
      if (error.code === 'file_not_found' && isPlainName(recipe)) return { recipeName: recipe };
      throw error;
    }
  }
  const given = stepSettings(set);
  const step = method === undefined ? undefined : stepNames.get(method);
  const shortcut = method !== undefined && Object.hasOwn(shortcuts, method) ? shortcuts[method] : undefined;
  if (shortcut !== undefined && set.length === 0) {
    if (ratio === undefined)
      throw new AppError('invalid_argument', '--ratio: is missing. Give the share of the bytes to keep, for example 0.5.');
    return { recipeYaml: JSON.stringify({ steps: [shortcut(ratio, hasData)] }) };
  }
  if (step === undefined)
    throw new AppError(
      'invalid_argument',
      shortcut === undefined
        ? `--method: must be one of ${methodNames.join(', ')}, got ${method ?? 'none'}. Or give --recipe FILE.`
        : `--set: ${method ?? ''} takes a ratio alone. Use the method low-rank for more.`,
    );
  return { recipeYaml: JSON.stringify({ steps: [{ [step]: { ...(ratio === undefined ? {} : { ratio }), ...given } }] }) };
}

/** Neither a folder nor an ending: such a file was surely not meant. */
function isPlainName(recipe: string): boolean {
  return /^[\w-]+$/.test(recipe);
}
