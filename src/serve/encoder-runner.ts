// An encoder on a device: runs a batch of texts and answers the vectors that its task asks for.
import { AppError, at, chosen, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import type { Graph } from '#graph';
import { buildEncoderGraph, buildMaskGraph, fastestForm, graphNames, type Model, modelInputs, taskOf } from '#models';
import { type HostTensor, int64, tensorBytes } from '#tensor';
import { type EncodedText, padTexts } from '#text';

/** A text to run. */
export interface EncoderRow extends EncodedText {
  /** Places among `ids` of the tokens to fill in; none for other tasks. */
  readonly maskPlaces: readonly number[];
}

/** Of a classifier one vector [C], of a model that embeds one [D], not normalized; of a masked model one [V] for each place. */
export type EncoderVectors = readonly Float32Array[];

/** One program for texts of any number and length; its weights are packed for the fastest kernels. */
export class EncoderRunner {
  /** Bytes of the weights as the graph uses them. */
  readonly weightBytes: number;
  readonly #program: Program;
  readonly #padToken: number;
  readonly #isMasked: boolean;

  private constructor(program: Program, weightBytes: number, padToken: number, isMasked: boolean) {
    this.#program = program;
    this.weightBytes = weightBytes;
    this.#padToken = padToken;
    this.#isMasked = isMasked;
  }

  /** @throws AppError `unsupported` for a model that generates | `engine_failure` | `out_of_memory` */
  static async create(engine: Engine, model: Model, name: string): Promise<EncoderRunner> {
    const form = fastestForm(unnormalized(model));
    const isMasked = taskOf(form.config).kind === 'masked';
    const sizes = { batch: 'B', length: 'T' };
    const graph = isMasked ? buildMaskGraph(form, sizes) : buildEncoderGraph(form, sizes);
    const frozen = weightsOf(form, graph);
    const program = await engine.compile(graph, { name, frozen });
    const weightBytes = [...frozen.values()].reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
    return new EncoderRunner(program, weightBytes, 'padToken' in form.config ? form.config.padToken : 0, isMasked);
  }

  /** @throws AppError `bad_weights` where a result is not finite | `cancelled` | `out_of_memory` | `engine_failure` */
  async run(rows: readonly EncoderRow[], signal?: AbortSignal): Promise<readonly EncoderVectors[]> {
    const length = rows.reduce((most, { ids }) => Math.max(most, ids.length), 1);
    const { tokens, mask, tokenTypes } = padTexts(rows, length, this.#padToken);
    const places = rows.flatMap(({ maskPlaces }, row) => maskPlaces.map((place) => row * length + place));
    const inputs: Record<string, HostTensor> = {
      [graphNames.tokens]: tokens,
      [graphNames.mask]: mask,
      [graphNames.tokenTypes]: tokenTypes,
      [graphNames.logitRows]: int64([places.length], places),
    };
    const results = await this.#program.run(chosen(inputs, this.#program.inputNames), signal === undefined ? {} : { signal });
    const vectors = vectorsOf(results);
    if (!this.#isMasked) return vectors.map((vector) => [vector]);
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

function weightsOf(model: Model, graph: Graph): Map<string, HostTensor> {
  const wanted = new Set(graph.inputs.map(({ name }) => name));
  return new Map([...modelInputs(model)].filter(([name]) => wanted.has(name)));
}

/** The rows of the one result [N, C]. */
function vectorsOf(results: Readonly<Record<string, DeviceBuffer>>): Float32Array[] {
  const [buffer] = Object.values(results);
  invariant(buffer !== undefined, 'an encoder answers');
  const { data, shape } = buffer.read();
  buffer.release();
  invariant(data instanceof Float32Array, 'an encoder answers float32');
  if (data.some((value) => !Number.isFinite(value)))
    throw new AppError('bad_weights', 'the model answered a number that is not finite. Use another checkpoint.');
  const width = at(shape, 1);
  return Array.from({ length: at(shape, 0) }, (_, row) => data.slice(row * width, (row + 1) * width));
}
