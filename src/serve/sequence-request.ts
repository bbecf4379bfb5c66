// What a caller may ask of an encoder-decoder, decided and checked.
import { AppError, at } from '#base';
import type { EncoderDecoderConfig } from '#models';
import type { Tokenizer } from '#text';
import { type CheckedRequest, checkRequest } from './check-request.ts';
import type { GenerationRequest } from './request.ts';
import { invalidField } from './sampling-options.ts';
import type { SearchSettings } from './target-search.ts';

/** What the checkpoint says of its targets beside its configuration. */
export type TargetDefaults = Partial<
  Pick<SearchSettings, 'startToken' | 'firstToken' | 'lastToken' | 'earlyStopping' | 'noRepeatNgram' | 'suppressed'>
>;

export interface SequenceRequest {
  readonly source: Int32Array;
  /** Its prompt is empty: the target starts anew. */
  readonly target: CheckedRequest;
  readonly search: SearchSettings;
}

export interface SequenceModel {
  readonly config: EncoderDecoderConfig;
  /** Of the targets. */
  readonly tokenizer: Tokenizer;
  /** Of the sources. */
  readonly sourceTokenizer: Tokenizer;
  readonly defaults: TargetDefaults;
}

const mostBeams = 64;

/**
 * Tokenizes the source as its tokenizer does, and checks the rest.
 *
 * @throws AppError `invalid_argument` and `context_too_long` naming the field | `unsupported` for what encoder-decoders cannot do
 */
export function checkSequenceRequest(request: GenerationRequest, model: SequenceModel): SequenceRequest {
  const { config, tokenizer, defaults } = model;
  const { numBeams = 1, lengthPenalty = 1, prompt } = request;
  refuse('promptLogprobs', request.promptLogprobs !== undefined, 'the source of an encoder-decoder has no log probabilities');
  refuse('draftModel', request.draftModel !== undefined, 'an encoder-decoder takes no draft model');
  if (!Number.isInteger(numBeams) || numBeams < 1 || numBeams > mostBeams || numBeams >= config.vocabularySize)
    throw invalidField('numBeams', `a whole number of 1..${Math.min(mostBeams, config.vocabularySize - 1)}`, numBeams);
  if (!Number.isFinite(lengthPenalty)) throw invalidField('lengthPenalty', 'a finite number', lengthPenalty);
  const { startToken } = { startToken: config.startToken, ...defaults };
  // A target may have as many tokens as there are positions: the start token takes the first, the last token none.
  const checked = checkRequest({ ...request, prompt: [startToken] }, config, tokenizer, config.maxPositions + 1);
  if (numBeams > 1) checkBeams(request, checked, numBeams);
  return {
    source: checkedSource(prompt, model),
    target: { ...checked, prompt: new Int32Array(0) },
    search: {
      earlyStopping: false,
      noRepeatNgram: 0,
      suppressed: [],
      ...defaults,
      startToken,
      beams: numBeams,
      maxTokens: checked.maxNewTokens,
      minTokens: checked.minNewTokens,
      lengthPenalty,
      endTokens: [...checked.endTokens],
    },
  };
}

function refuse(field: string, isGiven: boolean, why: string): void {
  if (isGiven) throw new AppError('unsupported', `${field}: ${why}. Leave it out.`, { details: { field } });
}

/** A beam search follows the likeliest targets: what draws tokens or changes their logits has no place in it. */
function checkBeams(request: GenerationRequest, { sampling, n, bestOf }: CheckedRequest, numBeams: number): void {
  const exclude = (field: string, isGiven: boolean): void => {
    if (isGiven)
      throw new AppError('invalid_argument', `${field}: has no place in a beam search (numBeams is ${numBeams}). Leave one of them out.`, {
        details: { field },
      });
  };
  exclude('temperature', sampling.temperature > 0);
  exclude('repetitionPenalty', sampling.repetitionPenalty !== 1);
  exclude('frequencyPenalty', sampling.frequencyPenalty !== 0);
  exclude('presencePenalty', sampling.presencePenalty !== 0);
  exclude('logitBias', sampling.logitBias.size > 0);
  exclude('logprobs', request.logprobs !== undefined);
  exclude('bestOf', bestOf !== n);
  if (n > numBeams) throw invalidField('n', `at most the ${numBeams} beams`, n);
}

function checkedSource(prompt: GenerationRequest['prompt'], { config, sourceTokenizer }: SequenceModel): Int32Array {
  const { maxPositions, vocabularySize, sourceVocabularySize = vocabularySize } = config;
  const source = typeof prompt === 'string' ? sourceTokenizer.encode(prompt, { addSpecialTokens: true }) : Int32Array.from(prompt);
  const refused = (problem: string): AppError => new AppError('invalid_argument', `prompt: ${problem}`, { details: { field: 'prompt' } });
  if (source.length === 0) throw refused('is empty. Give a source with at least one token.');
  const bad = source.findIndex((id) => id < 0 || id >= sourceVocabularySize);
  if (bad >= 0) throw refused(`token ${at(source, bad)} at position ${bad} is outside 0..${sourceVocabularySize - 1}.`);
  if (source.length > maxPositions)
    throw new AppError(
      'context_too_long',
      `prompt: ${source.length} tokens are more than the ${maxPositions} positions of the encoder. Shorten it.`,
      {
        details: { field: 'prompt', promptTokens: source.length, contextTokens: maxPositions },
      },
    );
  return source;
}
