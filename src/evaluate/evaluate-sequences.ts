// What an encoder-decoder makes of a data set of pairs: targets generated, then scored against the references.
import { AppError, type OperationContext, throwIfCancelled } from '#base';
import type { Engine } from '#engine';
import { encoderDecoderConfig, type Model } from '#models';
import { SequenceGenerator, type SequenceSettings } from '#serve';
import { encodeEnded, type PairSource, type Tokenizer } from '#text';
import { type BleuScore, bleu } from './bleu.ts';
import { type RougeOptions, type RougeScores, rouge } from './rouge.ts';

export interface EvaluateSequencesRequest {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** Of the targets, where it is not that of the sources. */
  readonly targetTokenizer?: Tokenizer;
  readonly pairs: PairSource;
  /** Sources to read; all when absent. */
  readonly maxPairs?: number;
  readonly generation?: Partial<SequenceSettings>;
  readonly rouge?: RougeOptions;
}

export interface SequenceEvaluation {
  readonly bleu: BleuScore;
  readonly rouge: RougeScores;
  /** Share of the targets that equal a reference. */
  readonly exactMatch: number;
  /** In the data's order. */
  readonly hypotheses: readonly string[];
  readonly numSources: number;
  /** Sources cut to the model's positions. */
  readonly numCut: number;
  readonly generatedTokens: number;
  /** Of generating alone. */
  readonly seconds: number;
}

/**
 * Generates a target for every source and scores all of them.
 *
 * A source longer than the model's positions loses its end, but keeps its end token.
 *
 * @throws AppError `unsupported` for a model without an encoder | `tokenizer_mismatch` | `bad_tokenizer` | `cancelled`, what generating and
 * reading throws
 */
export async function evaluateSequences(
  request: EvaluateSequencesRequest,
  engine: Engine,
  context: OperationContext,
): Promise<SequenceEvaluation> {
  const { model, tokenizer, targetTokenizer = tokenizer, pairs, maxPairs = Number.POSITIVE_INFINITY } = request;
  const { vocabularySize, sourceVocabularySize = vocabularySize, maxPositions } = encoderDecoderConfig(model);
  checkVocabulary('sources', tokenizer, sourceVocabularySize);
  checkVocabulary('targets', targetTokenizer, vocabularySize);
  const sources: Int32Array[] = [];
  const references: (readonly string[])[] = [];
  let numCut = 0;
  for await (const { source, targets } of pairs.pairs(context.signal)) {
    if (sources.length >= maxPairs) break;
    throwIfCancelled(context.signal);
    const ids = encodeEnded(tokenizer, source);
    if (ids.length > maxPositions) numCut++;
    sources.push(ids.length > maxPositions ? Int32Array.of(...ids.subarray(0, maxPositions - 1), ...ids.subarray(-1)) : ids);
    references.push(targets);
  }
  const generator = await SequenceGenerator.create(engine, model);
  try {
    const started = performance.now();
    const found = await generator.generate(sources, request.generation, context);
    const seconds = (performance.now() - started) / 1000;
    const targets = found.map(([best]) => best?.tokens ?? []);
    const hypotheses = targets.map((tokens) => targetTokenizer.decode(tokens, { skipSpecialTokens: true }).trim());
    const numExact = hypotheses.filter((hypothesis, index) => references[index]?.includes(hypothesis)).length;
    return {
      bleu: bleu(hypotheses, references),
      rouge: rouge(hypotheses, references, request.rouge),
      exactMatch: numExact / hypotheses.length,
      hypotheses,
      numSources: sources.length,
      numCut,
      generatedTokens: targets.reduce((sum, tokens) => sum + tokens.length, 0),
      seconds,
    };
  } finally {
    await generator.dispose();
  }
}

function checkVocabulary(what: string, tokenizer: Tokenizer, rows: number): void {
  if (tokenizer.vocabularySize <= rows) return;
  throw new AppError(
    'tokenizer_mismatch',
    `the tokenizer of the ${what} has ids up to ${tokenizer.vocabularySize - 1}, their embedding has ${rows} rows. Use the tokenizer that the model was trained with.`,
  );
}
