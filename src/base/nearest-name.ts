// Finds what somebody may have meant: the known names that are nearest to a misspelt one.
import { at } from './errors.ts';

/** Levenshtein distance: insertions, deletions and replacements of one letter. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 0; i < left.length; i++) {
    const current = [i + 1];
    for (let j = 0; j < right.length; j++) {
      const replaced = at(previous, j) + (left[i] === right[j] ? 0 : 1);
      current.push(Math.min(replaced, at(previous, j + 1) + 1, at(current, j) + 1));
    }
    previous = current;
  }
  return at(previous, right.length);
}

/** The `count` known names nearest to `name`, nearest first; ties keep their order. */
export function nearestNames(name: string, known: readonly string[], count = 1): string[] {
  const distances = known.map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }));
  return distances
    .sort((first, second) => first.distance - second.distance)
    .slice(0, count)
    .map(({ candidate }) => candidate);
}
