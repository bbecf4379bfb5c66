// A trained prompt in the graph: rows in front of every text, as if they were its first tokens.
import { invariant } from '#base';
import type { Emitter, Value } from '#graph';
import type { Architecture } from './architecture.ts';
import type { ModelConfig, SoftPrompt } from './config.ts';
import type { ParameterSpec } from './model.ts';

/** Path of the rows, [P, width of the token table]. */
export const promptPath = 'prompt.weight';

/** Path of the table that tokens are looked up in, without `.weight`. */
export const tokenTable = 'embed.token';

export function promptParameters(architecture: Architecture, config: ModelConfig, { length }: SoftPrompt): ParameterSpec[] {
  const table = architecture.parameters(config).find(({ path }) => path === `${tokenTable}.weight`);
  invariant(table !== undefined, `${config.architecture} models look tokens up in a table`);
  return [{ path: promptPath, role: 'embedding', shape: [length, Number(table.shape[1])] }];
}

/** Positions that are left for a text. */
export function textPositions({ maxPositions, prompt }: Pick<ModelConfig, 'maxPositions' | 'prompt'>): number {
  return maxPositions - (prompt?.length ?? 0);
}

/** The ids under which the rows stand in a sequence: those behind the vocabulary. */
export function promptIds({ vocabularySize, prompt }: Pick<ModelConfig, 'vocabularySize' | 'prompt'>): number[] {
  return Array.from({ length: prompt?.length ?? 0 }, (_, row) => vocabularySize + row);
}

/**
 * Looks up ids of both kinds, int64 [...] -> [..., E].
 *
 * @param table - looks up tokens, `rows` the prompt
 */
export function lookupBoth(
  b: Emitter,
  vocabularySize: number,
  ids: Value,
  table: (ids: Value) => Value,
  rows: (ids: Value) => Value,
): Value {
  const isToken = b.less(ids, vocabularySize);
  const first = b.scalar(0, 'int64');
  const ofTokens = table(b.where(isToken, ids, first)); // [..., E]
  const ofPrompt = rows(b.where(isToken, first, b.sub(ids, vocabularySize)));
  return b.where(b.reshape(isToken, [...ids.shape, 1]), ofTokens, ofPrompt);
}
