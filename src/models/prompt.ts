// A trained prompt in the graph: rows in front of every text, as if they were its first tokens.
import { at, invariant } from '#base';
import type { Emitter, Value } from '#graph';
import { addDims, int64, multiplyDims, type Shape } from '#tensor';
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

/** Texts as a network reads them. */
export interface TextsInGraph {
  /** int64 [B, T] */
  readonly tokens: Value;
  /** int64 [B, T], or [T] where all texts have the same. */
  readonly positions: Value;
  /** int64 [B, T] */
  readonly tokenTypes: Value | undefined;
  /** bool [B, T], true for real tokens. */
  readonly keyMask: Value | undefined;
}

/** The same texts with the prompt's ids in front, T + P tokens each. */
export function behindPrompt(
  b: Emitter,
  { vocabularySize, prompt }: Pick<ModelConfig, 'vocabularySize' | 'prompt'>,
  { tokens, positions, tokenTypes, keyMask }: TextsInGraph,
): TextsInGraph {
  const P = prompt?.length ?? 0;
  const B = at(tokens.shape, 0);
  const numbers = b.constant(
    int64(
      [P],
      Array.from({ length: P }, (_, row) => row),
    ),
  );
  const everywhere = (row: Value): Value => b.broadcastTo(row, [B, P]);
  const joined = (front: Value, back: Value): Value => b.concat([front, back], back.shape.length - 1);
  const shifted = b.add(positions, P);
  return {
    tokens: joined(everywhere(b.add(numbers, vocabularySize)), tokens),
    positions: joined(shifted.shape.length === 1 ? numbers : everywhere(numbers), shifted),
    tokenTypes: tokenTypes === undefined ? undefined : joined(everywhere(b.mul(numbers, 0)), tokenTypes),
    keyMask:
      keyMask === undefined
        ? undefined
        : b.less(0.5, joined(everywhere(b.add(b.mul(b.cast(numbers, 'float32'), 0), 1)), b.cast(keyMask, 'float32'))),
  };
}

/** Rows [B*(P+T), D] -> those of the texts [B*T, D]. */
export function withoutPrompt(b: Emitter, { prompt }: Pick<ModelConfig, 'prompt'>, rows: Value, [B = 1, T = 1]: Shape): Value {
  const P = prompt?.length ?? 0;
  const D = at(rows.shape, 1);
  const whole = addDims(T, P);
  return b.reshape(b.slice(b.reshape(rows, [B, whole, D]), 1, P, whole), [multiplyDims(B, T), D]);
}
