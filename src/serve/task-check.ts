// Which calls a model answers: a model that is asked for what it was not trained for is refused with the call that it does answer.
import { AppError } from '#base';
import { isEncoderDecoder, type ModelConfig, type ModelTask, taskOf } from '#models';

/** What the answer to each call is for. */
const wanted = {
  generate: { call: 'Generate', model: 'a model that generates text' },
  score: { call: 'Score', model: 'a model of the next token' },
  classify: { call: 'Classify', model: 'a classifier' },
  embed: { call: 'Embed', model: 'a model that embeds texts' },
  fillMask: { call: 'FillMask', model: 'a masked language model' },
} as const;

export type TaskCall = keyof typeof wanted;

const answered: { readonly [Kind in ModelTask['kind']]: { readonly calls: readonly TaskCall[]; readonly what: string } } = {
  causal: { calls: ['generate', 'score'], what: 'a language model' },
  masked: { calls: ['fillMask'], what: 'a masked language model' },
  classify: { calls: ['classify'], what: 'a classifier' },
  embed: { calls: ['embed'], what: 'a model that embeds texts' },
};

const ofPairs: typeof answered.causal = { calls: ['generate'], what: 'an encoder-decoder' };

/** @throws AppError `wrong_task` */
export function requireTask(name: string, config: ModelConfig, call: TaskCall): void {
  const { calls, what } = isEncoderDecoder(config) ? ofPairs : answered[taskOf(config).kind];
  if (calls.includes(call)) return;
  const instead = calls.map((each) => wanted[each].call).join(' or ');
  throw new AppError(
    'wrong_task',
    `model "${name}": is ${what}; ${wanted[call].call} needs ${wanted[call].model}. Call ${instead}, or name another model.`,
    { details: { field: 'model' } },
  );
}
