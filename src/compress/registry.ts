// The table of compression methods: one row a method.
import { lowRank } from './low-rank/low-rank.ts';
import { type RegisteredMethod, register } from './recipe.ts';

export const methods: Readonly<Record<string, RegisteredMethod>> = Object.fromEntries(
  [register(lowRank)].map((method) => [method.name, method]),
);
