// Runs a graph of a model over many rows, some at a time, and hands out what each run makes.
import { AppError, chosen, invariant, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import type { Graph } from '#graph';
import { borrowModel, type Model } from '#models';
import { type HostTensor, toNumbers } from '#tensor';

export interface BatchedRows<Row> {
  /** Of the program, in errors and profiles. */
  readonly name: string;
  readonly graph: Graph;
  readonly rows: readonly Row[];
  /** Tokens of a row. */
  readonly lengthOf: (row: Row) => number;
  /** Rows in one run. */
  readonly batch: number;
  /** Inputs beside the weights. */
  readonly inputsOf: (rows: readonly Row[]) => Readonly<Record<string, HostTensor>>;
}

export interface RanRows<Row> {
  readonly rows: readonly Row[];
  /** All numbers of a result; every one is finite. */
  numbers(result: string): Float32Array;
}

/** @throws AppError `bad_weights` where a result is not finite | `cancelled`, and as `Program.run` */
export async function* runInBatches<Row>(
  engine: Engine,
  model: Model,
  { name, graph, rows, lengthOf, batch, inputsOf }: BatchedRows<Row>,
  context: OperationContext,
): AsyncGenerator<RanRows<Row>> {
  // Longest first: neighbours pad little, and a batch that is too large fails at once.
  const ordered = [...rows].sort((left, right) => lengthOf(right) - lengthOf(left));
  const weights = borrowModel(engine, model);
  let program: Program | undefined;
  try {
    program = await engine.compile(graph, { name });
    for (let start = 0; start < ordered.length; start += batch) {
      throwIfCancelled(context.signal);
      const part = ordered.slice(start, start + batch);
      const inputs = chosen<HostTensor | DeviceBuffer>({ ...weights, ...inputsOf(part) }, program.inputNames);
      const results = read(await program.run(inputs, { signal: context.signal }));
      const end = start + part.length;
      for (const [result, numbers] of results)
        if (!numbers.every(Number.isFinite))
          throw new AppError(
            'bad_weights',
            `evaluation: the ${result} is not finite within the first ${end} of ${ordered.length} rows. Use another checkpoint.`,
          );
      yield {
        rows: part,
        numbers: (result) => {
          const numbers = results.get(result);
          invariant(numbers !== undefined, `the program ${name} makes ${result}`);
          return numbers;
        },
      };
      context.report({ phase: 'evaluate', step: end, total: ordered.length });
      await yieldToEventLoop();
    }
  } finally {
    await program?.release();
    for (const buffer of Object.values(weights)) buffer.release();
  }
}

function read(results: Readonly<Record<string, DeviceBuffer>>): Map<string, Float32Array> {
  return new Map(
    Object.entries(results).map(([name, buffer]) => {
      const numbers = Float32Array.from(toNumbers(buffer.read()));
      buffer.release();
      return [name, numbers];
    }),
  );
}
