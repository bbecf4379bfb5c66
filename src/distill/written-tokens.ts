// Beginnings of texts with what a model wrote behind them: batches in which only the written tokens count.
import { at } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import type { ObjectiveContext, TextBatch } from '#train';

export interface Continuation {
  readonly prompt: ArrayLike<number>;
  /** With the end token, if the writer came to one. */
  readonly written: ArrayLike<number>;
}

/** float32 [B, T], 1 where a written token is to be foretold: what such batches bring beside their tokens. */
const writtenName = 'writtenTokens';

/** Next tokens of which only the written ones count: prompts are the data's, and what is behind an end is nobody's. */
export function overWrittenTokens(context: ObjectiveContext): ObjectiveContext {
  const counts = context.b.input(writtenName, 'float32', context.labels.shape);
  // Copied by name: `labels` is made where it is asked for.
  return { ...context, labels: context.labels, counts };
}

/** Rows of `length` tokens; all fit, and behind their ends is nothing that counts. */
export function continuationBatch(rows: readonly Continuation[], length: number): TextBatch & Record<typeof writtenName, HostTensor> {
  const shape = [rows.length, length];
  const tokens = hostTensor('int64', shape);
  const labels = hostTensor('int64', shape);
  const counts = hostTensor('float32', shape);
  for (const [row, { prompt, written }] of rows.entries()) {
    const whole = [...Array.from(prompt), ...Array.from(written)];
    for (let column = 0; column < whole.length; column++) {
      const place = row * length + column;
      if (column < length) tokens.data[place] = BigInt(at(whole, column));
      if (column + 1 === whole.length) continue;
      labels.data[place] = BigInt(at(whole, column + 1));
      counts.data[place] = column + 1 < prompt.length ? 0 : 1;
    }
  }
  return { tokens, labels, [writtenName]: counts };
}
