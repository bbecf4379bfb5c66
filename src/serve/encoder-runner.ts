// An encoder on a device: runs a batch of texts and answers the vectors that its task asks for.
import { AppError, at, chosen, invariant, type Meter, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { buildPackedEncoderGraph, fastestForm, graphNames, type Model, promptIds, taskOf, weightsOf } from '#models';
import { type HostTensor, hostTensor, int64, tensorBytes } from '#tensor';
import type { EncodedText } from '#text';
import type { RowExecutor } from './row-batcher.ts';
import { StepMeter } from './step-meter.ts';

/** A text to run. */
export interface EncoderRow extends EncodedText {
  /** Places among `ids` of the tokens to fill in; none for other tasks. */
  readonly maskPlaces: readonly number[];
}

/** Of a classifier one vector [C], of a model that embeds one [D], not normalized; of a masked model one [V] for each place. */
export type EncoderVectors = readonly Float32Array[];

/** Logits of one run of a masked model take at most this many elements (64 MiB), unless one text alone needs more. */
const largestLogits = 1 << 24;

/** One program for texts of any number and length; its weights are packed for the fastest kernels. */
export class EncoderRunner implements RowExecutor<EncoderRow, EncoderVectors> {
  /** Bytes of the weights as the graph uses them. */
  readonly weightBytes: number;
  readonly #program: Program;
  /** V of a masked model. */
  readonly #logitWidth: number | undefined;
  /** Of a trained prompt, in front of every text. */
  readonly #promptIds: readonly number[];
  readonly #meter: StepMeter;

  private constructor(
    program: Program,
    weightBytes: number,
    { logitWidth, ids }: { readonly logitWidth: number | undefined; readonly ids: readonly number[] },
    meter: StepMeter,
  ) {
    this.#promptIds = ids;
    this.#meter = meter;
    this.#program = program;
    this.weightBytes = weightBytes;
    this.#logitWidth = logitWidth;
  }

  /** @throws AppError `unsupported` for a model that generates | `engine_failure` | `out_of_memory` */
  static async create(engine: Engine, model: Model, name: string, meter?: Meter): Promise<EncoderRunner> {
    const form = fastestForm(unnormalized(model));
    const isMasked = taskOf(form.config).kind === 'masked';
    const graph = buildPackedEncoderGraph(form);
    const frozen = weightsOf(form, graph);
    const program = await engine.compile(graph, { name, frozen });
    const weightBytes = [...frozen.values()].reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
    const logitWidth = isMasked ? form.config.vocabularySize : undefined;
    return new EncoderRunner(program, weightBytes, { logitWidth, ids: promptIds(form.config) }, new StepMeter(meter));
  }

  /**
   * A text whose vectors are not finite has the error `bad_weights` in their place.
   *
   * @throws AppError `cancelled` | `out_of_memory` | `engine_failure`
   */
  async run(rows: readonly EncoderRow[], signal: AbortSignal): Promise<readonly (EncoderVectors | AppError)[]> {
    const results: (EncoderVectors | AppError)[] = [];
    for (const part of this.#parts(rows)) {
      throwIfCancelled(signal);
      for (const vectors of await this.#run(part, signal)) results.push(vectors.every(allFinite) ? vectors : notFinite());
    }
    return results;
  }

  /** Cuts a batch where the logits of its masks would grow too many. */
  *#parts(rows: readonly EncoderRow[]): Generator<readonly EncoderRow[]> {
    const largest = this.#logitWidth === undefined ? Number.POSITIVE_INFINITY : Math.floor(largestLogits / this.#logitWidth);
    let part: EncoderRow[] = [];
    let masks = 0;
    for (const row of rows) {
      if (part.length > 0 && masks + row.maskPlaces.length > largest) {
        yield part;
        [part, masks] = [[], 0];
      }
      part.push(row);
      masks += row.maskPlaces.length;
    }
    yield part;
  }

  async #run(rows: readonly EncoderRow[], signal: AbortSignal): Promise<readonly EncoderVectors[]> {
    const inputs = packedInputs(this.#promptIds.length === 0 ? rows : rows.map((row) => behindPrompt(row, this.#promptIds)));
    const results = await this.#program.run(chosen(inputs, this.#program.inputNames), { signal });
    // Weights are multiplied by real tokens only.
    const lengths = rows.map(({ ids }) => ids.length);
    this.#meter.ran(
      lengths,
      lengths.reduce((sum, length) => sum + length, 0),
    );
    const vectors = vectorsOf(results);
    if (this.#logitWidth === undefined) return vectors.map((vector) => [vector]);
    return rows.map(({ maskPlaces }) => vectors.splice(0, maskPlaces.length));
  }

  dispose(): Promise<void> {
    return this.#program.release();
  }
}

/** Callers choose the length of their vectors, so the graph leaves them as they are. */
function unnormalized(model: Model): Model {
  const { config } = model;
  if ((config.architecture !== 'bert' && config.architecture !== 'albert') || config.task.kind !== 'embed') return model;
  return { ...model, config: { ...config, task: { ...config.task, normalize: false } } };
}

function behindPrompt({ ids, types, maskPlaces }: EncoderRow, front: readonly number[]): EncoderRow {
  return {
    ids: Int32Array.of(...front, ...ids),
    types: Uint8Array.of(...front.map(() => 0), ...types),
    maskPlaces: maskPlaces.map((place) => place + front.length),
  };
}

/** The tokens of all texts one after the other, and where each belongs among texts of equal length. */
function packedInputs(rows: readonly EncoderRow[]): Record<string, HostTensor> {
  const length = rows.reduce((most, { ids }) => Math.max(most, ids.length), 1);
  const total = rows.reduce((sum, { ids }) => sum + ids.length, 0);
  const perToken = () => hostTensor('int64', [1, total]);
  const [tokens, positions, tokenTypes] = [perToken(), perToken(), perToken()];
  const paddedRows = hostTensor('int64', [total]);
  const packedRows = hostTensor('int64', [rows.length, length]);
  const mask = hostTensor('bool', [rows.length, length]);
  const logitRows: number[] = [];
  let next = 0;
  for (const [row, { ids, types, maskPlaces }] of rows.entries()) {
    for (const place of maskPlaces) logitRows.push(next + place);
    for (const [position, id] of ids.entries()) {
      const padded = row * length + position;
      tokens.data[next] = BigInt(id);
      positions.data[next] = BigInt(position);
      tokenTypes.data[next] = BigInt(types[position] ?? 0);
      paddedRows.data[next] = BigInt(padded);
      packedRows.data[padded] = BigInt(next);
      mask.data[padded] = 1;
      next += 1;
    }
  }
  return {
    [graphNames.tokens]: tokens,
    [graphNames.positions]: positions,
    [graphNames.tokenTypes]: tokenTypes,
    [graphNames.mask]: mask,
    [graphNames.packedRows]: packedRows,
    [graphNames.paddedRows]: paddedRows,
    [graphNames.logitRows]: int64([logitRows.length], logitRows),
  };
}

/** The rows of the one result [N, C]. */
function vectorsOf(results: Readonly<Record<string, DeviceBuffer>>): Float32Array[] {
  const [buffer] = Object.values(results);
  invariant(buffer !== undefined, 'an encoder answers');
  const { data, shape } = buffer.read();
  buffer.release();
  invariant(data instanceof Float32Array, 'an encoder answers float32');
  const width = at(shape, 1);
  return Array.from({ length: at(shape, 0) }, (_, row) => data.slice(row * width, (row + 1) * width));
}

function allFinite(vector: Float32Array): boolean {
  return vector.every(Number.isFinite);
}

function notFinite(): AppError {
  return new AppError('bad_weights', 'the model answered a number that is not finite. Use another checkpoint.');
}
