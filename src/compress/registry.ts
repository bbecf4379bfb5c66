// The table of compression methods: one row a method.
import { kronecker } from './kronecker/kronecker.ts';
import { lowRank } from './low-rank/low-rank.ts';
import { prune } from './prune/prune.ts';
import { quantize } from './quantize/quantize.ts';
import { type RegisteredMethod, register } from './recipe.ts';

export const methods: Readonly<Record<string, RegisteredMethod>> = Object.fromEntries(
  [register(lowRank), register(kronecker), prune, register(quantize)].map((method) => [method.name, method]),
);
