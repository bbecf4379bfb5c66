// The recipes that come with the program, by name.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AppError } from '#base';
import { nearestNames } from '#compress';

const folder = fileURLToPath(new URL('recipes/', import.meta.url));

/** Sorted. */
export function recipeNames(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
}

/** The YAML of a recipe. @throws AppError `bad_recipe` with the names that there are */
export function namedRecipe(name: string): string {
  const names = recipeNames();
  if (names.includes(name)) return readFileSync(`${folder}${name}.yaml`, 'utf8');
  const nearest = nearestNames(name, names).join();
  throw new AppError(
    'bad_recipe',
    `recipe "${name}": there is none of this name. Did you mean "${nearest}"? There are ${names.join(', ')}.`,
    {
      details: { nearest },
    },
  );
}
