// The table of compression methods: one row a method.
import { factorizeEmbedding } from './factorize-embedding/factorize-embedding.ts';
import { kronecker } from './kronecker/kronecker.ts';
import { lowRank } from './low-rank/low-rank.ts';
import { prune } from './prune/prune.ts';
import { qat } from './qat/qat.ts';
import { quantize } from './quantize/quantize.ts';
import { type RegisteredMethod, register } from './recipe.ts';
import { share } from './share/share.ts';

export const methods: Readonly<Record<string, RegisteredMethod>> = Object.fromEntries(
  [register(lowRank), register(kronecker), register(factorizeEmbedding), prune, register(quantize), register(qat), register(share)].map(
    (method) => [method.name, method],
  ),
);
