// The table of compression methods: one row a method.
import { factorizeEmbedding } from './factorize-embedding/factorize-embedding.ts';
import { finetune } from './finetune/finetune.ts';
import { flop } from './flop/flop.ts';
import { gate } from './gate/gate.ts';
import { kronecker } from './kronecker/kronecker.ts';
import { ladder } from './ladder/ladder.ts';
import { lowRank } from './low-rank/low-rank.ts';
import { lora } from './parameter-efficient/lora.ts';
import { prune } from './prune/prune.ts';
import { qat } from './qat/qat.ts';
import { quantize } from './quantize/quantize.ts';
import { type RegisteredMethod, register } from './recipe.ts';
import { registerSearch } from './search/search.ts';
import { share } from './share/share.ts';
import { theseus } from './theseus/theseus.ts';
import { train } from './train/train.ts';
import { warmStart } from './warm-start/warm-start.ts';

export const methods: Readonly<Record<string, RegisteredMethod>> = Object.fromEntries(
  [
    register(lowRank),
    register(kronecker),
    register(factorizeEmbedding),
    prune,
    register(quantize),
    register(qat),
    register(share),
    register(warmStart),
    register(flop),
    register(ladder),
    register(lora),
    register(theseus),
    register(train),
    register(finetune),
    register(gate),
    registerSearch(() => methods),
  ].map((method) => [method.name, method]),
);
