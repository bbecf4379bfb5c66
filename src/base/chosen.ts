// Some entries of a record by their names.
import { invariant } from './errors.ts';

/** The entries of these names, for example what a program reads of all that is there. Invariant: every one is. */
export function chosen<T>(available: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(
    names.map((name) => {
      const item = available[name];
      invariant(item !== undefined, `nothing is bound to ${name}`);
      return [name, item];
    }),
  );
}
