// What protocols must know of a model before they use it.
import { isEncoderDecoder, type ModelConfig, taskOf, textPositions } from '#models';
import { defaultContextTokens } from '#serve';
import type { Tokenizer } from '#text';

/** A special token as the model and as people see it. */
export interface NamedToken {
  readonly id: number;
  readonly text: string;
}

export interface ModelDescription {
  /** `name@version` */
  readonly reference: string;
  /** `seq2seq`: an encoder-decoder, which generates from a source text. */
  readonly task: 'causal' | 'masked' | 'classify' | 'embed' | 'seq2seq';
  /** V */
  readonly vocabularySize: number;
  /** Positions that a prompt and its answer share; of models that do not generate, the longest text. */
  readonly contextTokens: number;
  /** Of a classifier, in the order of its probabilities. */
  readonly labels?: readonly string[];
  readonly tokens: { readonly begin?: NamedToken; readonly end?: NamedToken; readonly pad?: NamedToken; readonly mask?: NamedToken };
  /** Jinja source. */
  readonly chatTemplate?: string;
  /** D */
  readonly width: number;
}

export function describeModel(reference: string, config: ModelConfig, tokenizer: Tokenizer): ModelDescription {
  const task = taskOf(config);
  const kind = isEncoderDecoder(config) ? 'seq2seq' : task.kind;
  const ids = {
    begin: config.beginToken ?? tokenizer.beginToken,
    end: config.endTokens[0] ?? tokenizer.endTokens[0],
    pad: tokenizer.padToken ?? ('padToken' in config ? config.padToken : undefined),
    mask: tokenizer.maskToken,
  };
  const named = Object.entries(ids).flatMap(([name, id]): [string, NamedToken][] => {
    const text = id === undefined ? undefined : tokenizer.idToToken(id);
    return id === undefined || text === undefined ? [] : [[name, { id, text }]];
  });
  return {
    reference,
    task: kind,
    vocabularySize: config.vocabularySize,
    contextTokens: kind === 'causal' ? Math.min(textPositions(config), defaultContextTokens) : textPositions(config),
    ...(task.kind === 'classify' ? { labels: task.labels } : {}),
    tokens: Object.fromEntries(named),
    ...(tokenizer.chatTemplate === undefined ? {} : { chatTemplate: tokenizer.chatTemplate }),
    width: config.width,
  };
}
