// Sequence-level distillation of encoder-decoders: the teacher's own targets for a corpus's sources.
import { at, type OperationContext } from '#base';
import type { Engine } from '#engine';
import type { Model } from '#models';
import { SequenceGenerator } from '#serve';
import type { PairCorpus, TokenPair } from '#text';
import { keptTargets, type TargetPlace } from './target-file.ts';

export interface SequenceTargetSettings {
  readonly beams: number;
  readonly maxTokens: number;
}

/** Sources that are decoded together. */
const sourcesPerPart = 32;

/**
 * The corpus with the teacher's best target for every source in place of the data's; a source with several targets stays once.
 *
 * A target that reached `maxTokens` has no end token: the student must not learn to stop there.
 *
 * @throws AppError as `keptTargets` and generating
 * @see Kim and Rush, "Sequence-Level Knowledge Distillation", EMNLP 2016, §3.2
 */
export async function teacherTargets(
  corpus: PairCorpus,
  teacher: Model,
  settings: SequenceTargetSettings,
  place: TargetPlace & { readonly engine: Engine },
  context: OperationContext,
): Promise<PairCorpus> {
  const sources = [...new Map(corpus.pairs.map(({ source }) => [source.join(' '), source])).values()];
  let generator: Promise<SequenceGenerator> | undefined;
  try {
    const targets = await keptTargets(
      place,
      {
        count: sources.length,
        perPart: sourcesPerPart,
        make: async (start, end) => {
          generator ??= SequenceGenerator.create(place.engine, teacher);
          const quiet = { ...context, report: () => {} };
          const found = await (await generator).generate(sources.slice(start, end), { ...settings, batchSize: sourcesPerPart }, quiet);
          return found.map((best) => Int32Array.from(at(best, 0).tokens));
        },
      },
      context,
    );
    return { ...corpus, pairs: sources.map((source, index): TokenPair => ({ source, target: at(targets, index) })) };
  } finally {
    await (await generator?.catch(() => undefined))?.dispose();
  }
}
