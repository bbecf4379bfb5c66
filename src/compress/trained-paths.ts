// Which parameters a step trains: patterns over all of them, vectors too.
import { AppError } from '#base';
import type { Model } from '#models';
import { nearestNames } from './nearest-name.ts';
import { matchesPattern, type PathPatterns } from './patterns.ts';

/** All parameters without patterns. @throws AppError `pattern_matches_nothing` */
export function trainedPaths(model: Model, { include, exclude }: PathPatterns, method: string): ReadonlySet<string> {
  const paths = [...model.parameters.keys()];
  for (const pattern of [...(include ?? []), ...(exclude ?? [])]) {
    if (paths.some((path) => matchesPattern(pattern, path))) continue;
    const near = nearestNames(pattern, paths, 3).join(', ');
    throw new AppError(
      'pattern_matches_nothing',
      `${method}: pattern "${pattern}" matches no parameter of the model. Near it are ${near}.`,
      {
        details: { pattern, near },
      },
    );
  }
  const matches = (list: readonly string[], path: string): boolean => list.some((pattern) => matchesPattern(pattern, path));
  const trained = paths.filter((path) => matches(include ?? ['*'], path) && !matches(exclude ?? [], path));
  if (trained.length === 0)
    throw new AppError('pattern_matches_nothing', `${method}: the include and exclude patterns together leave no parameter. Exclude less.`);
  return new Set(trained);
}
