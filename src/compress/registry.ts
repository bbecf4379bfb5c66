// The table of compression methods: one row a method.
import { factorizeEmbedding } from './factorize-embedding/factorize-embedding.ts';
import { finetune } from './finetune/finetune.ts';
import { kronecker } from './kronecker/kronecker.ts';
import { lowRank } from './low-rank/low-rank.ts';
import { prune } from './prune/prune.ts';
import { quantize } from './quantize/quantize.ts';
import { type RegisteredMethod, register } from './recipe.ts';
import { share } from './share/share.ts';
import { theseus } from './theseus/theseus.ts';
import { train } from './train/train.ts';

export const methods: Readonly<Record<string, RegisteredMethod>> = Object.fromEntries(
  [
    register(lowRank),
    register(kronecker),
    register(factorizeEmbedding),
    prune,
    register(quantize),
    register(share),
    register(theseus),
    register(train),
    register(finetune),
  ].map((method) => [method.name, method]),
);
