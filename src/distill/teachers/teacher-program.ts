// A teacher on a device by itself: batches in, distributions out.
import { AppError, chosen, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder, optimizeGraph } from '#graph';
import { declarations, isEncoderDecoder, type Model, type ModelDeclaration, taskOf } from '#models';
import { type HostTensor, hostTensor, sizeOf } from '#tensor';
import { askedRows, modelOverBatch, type TrainingBatch } from '#train';
import { type AnswerForm, checkForm, fullAnswers, joinAnswers, type TeacherAnswers, topAnswers } from './answers.ts';

/** Elements of log-probabilities that one run makes at most (128 MiB), unless a single sequence has more. */
const largestRun = 1 << 25;
const outputName = 'logProbabilities';

/** Sizes of a run: B, T, and S of an encoder-decoder or M of hidden tokens. */
interface RunSizes {
  readonly batch: number;
  readonly length: number;
  readonly sourceLength?: number | undefined;
  readonly hiddenTokens?: number | undefined;
}

/** Answers of the model that it chooses from: tokens, or labels of texts. */
export function choicesOf({ config }: Pick<ModelDeclaration, 'config'>): number {
  const task = taskOf(config);
  return task.kind === 'classify' ? task.labels.length : config.vocabularySize;
}

/** Programs are compiled for each size of batch that comes, and kept. */
export class TeacherProgram {
  readonly #engine: Engine;
  readonly #model: ModelDeclaration;
  readonly #weights: Readonly<Record<string, DeviceBuffer>>;
  readonly #programs = new Map<string, Promise<Program>>();

  /** @param weights - the model's parameters on the device (`borrowModel`); they stay the caller's */
  constructor(engine: Engine, model: Model, weights: Readonly<Record<string, DeviceBuffer>>) {
    this.#engine = engine;
    this.#model = declarations(model);
    this.#weights = weights;
  }

  /**
   * The distributions over the rows that the model's task asks of the batch, softened by `temperature`.
   *
   * Large batches run in parts of whole sequences, so that the log-probabilities of a whole batch never stand in memory.
   *
   * @throws AppError `invalid_argument` (the form, a token outside the vocabulary) | `context_too_long` | `unsupported` | `cancelled`
   */
  async answers(batch: TrainingBatch, form: AnswerForm, temperature: number, signal: AbortSignal): Promise<TeacherAnswers> {
    const choices = choicesOf(this.#model);
    checkForm(form, choices, 'topK');
    checkTokens(this.#model, batch);
    const [B, T] = ('source' in batch ? batch.labels : batch.tokens).shape as [number, number];
    const isCut = taskOf(this.#model.config).kind !== 'masked';
    const fitting = isCut ? Math.min(B, Math.max(1, Math.floor(largestRun / (T * choices)))) : B;
    const parts: TeacherAnswers[] = [];
    for (let start = 0; start < B; start += fitting) {
      const inputs = sequencesOf(batch, start, Math.min(B, start + fitting));
      const logProbabilities = await this.#run(inputs, temperature, signal);
      parts.push(form.kind === 'full' ? fullAnswers(logProbabilities, choices) : topAnswers(logProbabilities, choices, form.topK));
    }
    return joinAnswers(parts);
  }

  /** Log-probabilities [N*C]. */
  async #run(inputs: Readonly<Record<string, HostTensor>>, temperature: number, signal: AbortSignal): Promise<Float32Array> {
    const [batch = 0, length = 0] = (inputs['tokens'] ?? inputs['labels'])?.shape ?? [];
    const sizes = { batch, length, sourceLength: inputs['source']?.shape[1], hiddenTokens: inputs['rows']?.shape[0] };
    const program = await this.#program(sizes, temperature);
    const absent = {
      labels: hostTensor('int64', labelShape(this.#model, sizes)),
      mask: hostTensor('bool', [batch, length], new Uint8Array(batch * length).fill(1)),
      tokenTypes: hostTensor('int64', [batch, length]),
    };
    const available = { ...absent, ...this.#weights, ...inputs };
    const results = await program.run(chosen<DeviceBuffer | HostTensor>(available, program.inputNames), { signal });
    const made = results[outputName];
    invariant(made !== undefined, 'a teacher answers');
    try {
      const { data } = made.read();
      invariant(data instanceof Float32Array, 'log-probabilities are float32');
      return data;
    } finally {
      made.release();
    }
  }

  #program(sizes: RunSizes, temperature: number): Promise<Program> {
    const key = JSON.stringify([sizes, temperature]);
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const compiling = this.#engine.compile(answerGraph(this.#model, sizes, temperature), { name: 'teacher' });
    this.#programs.set(key, compiling);
    compiling.catch(() => this.#programs.delete(key));
    return compiling;
  }

  /** The weights stay. */
  async release(): Promise<void> {
    const compiled = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    await Promise.all(compiled.map((each) => (each.status === 'fulfilled' ? each.value.release() : undefined)));
  }
}

/** Of labels that are only looked up. */
function labelShape({ config }: ModelDeclaration, { batch, length, hiddenTokens }: RunSizes): readonly number[] {
  if (hiddenTokens !== undefined) return [hiddenTokens];
  return taskOf(config).kind === 'classify' ? [batch] : [batch, length];
}

/** The inputs of the model's task -> log-probabilities [N, C] at a temperature. @throws AppError `context_too_long` | `unsupported` */
function answerGraph(model: ModelDeclaration, sizes: RunSizes, temperature: number): Graph {
  const { batch, length, sourceLength, hiddenTokens } = sizes;
  const b = new GraphBuilder();
  const context = modelOverBatch(b, model, { batch, length, ...(sourceLength === undefined ? {} : { sourceLength }) });
  const { hidden, logits } = askedRows(context, hiddenTokens === undefined ? undefined : () => hiddenTokens);
  const rows = logits(context.student, hidden(context.student));
  return optimizeGraph(b.graph({ [outputName]: b.logSoftmax(temperature === 1 ? rows : b.mul(rows, 1 / temperature)) }));
}

/** The inputs of sequences `start` to `end` of a batch, without its labels where those are only looked up. */
function sequencesOf(batch: TrainingBatch, start: number, end: number): Record<string, HostTensor> {
  const cut = <Tensor extends HostTensor>(tensor: Tensor): HostTensor => {
    const [rows = 1, ...rest] = tensor.shape;
    if (start === 0 && end >= rows) return tensor;
    const size = sizeOf(rest);
    return { dtype: tensor.dtype, shape: [end - start, ...rest], data: tensor.data.slice(start * size, end * size) } as HostTensor;
  };
  if ('source' in batch) return { source: cut(batch.source), sourceMask: cut(batch.sourceMask), labels: cut(batch.labels) };
  const { tokens, mask, tokenTypes, rows } = batch;
  return {
    tokens: cut(tokens),
    ...(mask === undefined ? {} : { mask: cut(mask) }),
    ...(tokenTypes === undefined ? {} : { tokenTypes: cut(tokenTypes) }),
    ...(rows === undefined ? {} : { rows, weights: hostTensor('float32', rows.shape) }),
  };
}

/** A look-up outside a table would end the process. */
function checkTokens({ config }: ModelDeclaration, batch: TrainingBatch): void {
  const check = (what: string, { data }: HostTensor<'int64'>, least: bigint, size: number): void => {
    const wrong = data.find((id) => id < least || id >= BigInt(size));
    if (wrong === undefined) return;
    throw new AppError('invalid_argument', `${what}: ${wrong} is not one of the teacher's ${size} tokens.`, { details: { field: what } });
  };
  if (!('source' in batch)) {
    check('tokens', batch.tokens, 0n, config.vocabularySize);
    return;
  }
  const { sourceVocabularySize = config.vocabularySize } = isEncoderDecoder(config) ? config : { sourceVocabularySize: undefined };
  check('sources', batch.source, 0n, sourceVocabularySize);
  check('targets', batch.labels, -1n, config.vocabularySize);
}
