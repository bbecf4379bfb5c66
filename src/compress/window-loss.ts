// The loss of a model on calibration windows, by its task: the next tokens, labels of texts, hidden tokens, or targets of pairs.
import { AppError, at, invariant } from '#base';
import type { GraphBuilder, Value } from '#graph';
import {
  causalNetwork,
  encoderDecoderNetwork,
  encoderInputs,
  encoderNetwork,
  firstRows,
  type GraphNetwork,
  graphNames,
  inPieces,
  isEncoderDecoder,
  type Model,
  type ModelDeclaration,
  sourceInputs,
  taskOf,
} from '#models';
import { type HostTensor, hostTensor, sizeOf } from '#tensor';
import { bindWindow, type CalibrationWindow } from './calibration-windows.ts';

export interface WindowSizes {
  /** B */
  readonly batch: number;
  /** T */
  readonly length: number;
  /** S of pairs. */
  readonly sourceLength?: number;
}

/** A window whose sizes are numbers, as the inputs of the graphs that `windowNetwork` is a part of. */
export interface LossWindow {
  readonly sizes: WindowSizes;
  readonly inputs: Readonly<Record<string, HostTensor>>;
}

/** A network over a window of fixed sizes. */
export interface WindowNetwork {
  readonly net: GraphNetwork;
  readonly tokens: Value;
  /** After the last norm, rows [B*T, D]. */
  readonly hidden: Value;
  /** float32 [B*T], 0 for padding; undefined where all rows are tokens. */
  readonly real: Value | undefined;
  /**
   * −log p of each of the P answers of a sequence, [B, P]: its next tokens, its label, its hidden tokens or those of its target. Where `counts`
   * [B, P] is 0 there is no answer, and the loss is 0.
   */
  loss(this: void): { readonly losses: Value; readonly counts: Value | undefined };
}

/**
 * @param needsLoss - refuse windows that do not say what the model should answer
 * @returns undefined where there is nothing to predict
 * @throws AppError `unsupported` for a window that is not of the model's kind, or without answers
 */
export function lossWindow(window: CalibrationWindow, model: Model, needsLoss = true): LossWindow | undefined {
  const { inputs } = bindWindow(window, model);
  const tokens = 'data' in window ? window : window.tokens;
  const [batch = 0, length = 0] = tokens.shape;
  const task = taskOf(model.config);
  if ('source' in window) {
    if (window.labels === undefined && needsLoss) throw noAnswers('pairs', 'have no targets to predict');
    const sizes = { batch, length, sourceLength: at(window.source.shape, 1) };
    return { sizes, inputs: { ...inputs, ...(window.labels && { [graphNames.labels]: window.labels }) } };
  }
  if (task.kind === 'causal') return length < 2 && needsLoss ? undefined : { sizes: { batch, length }, inputs };
  const { labels, hidden } = 'data' in window ? { labels: undefined, hidden: undefined } : window;
  const sizes = { batch, length };
  if (!needsLoss) return { sizes, inputs };
  switch (task.kind) {
    case 'classify':
      if (labels === undefined) throw noAnswers('texts', 'have no labels. Give labelled data');
      return { sizes, inputs: { ...inputs, [graphNames.labels]: labels } };
    case 'masked':
      if (hidden === undefined) throw noAnswers('texts', 'have no hidden tokens');
      return { sizes, inputs: { ...inputs, [graphNames.tokens]: hidden, [graphNames.labels]: hiddenLabels(tokens, hidden) } };
    case 'embed':
      throw new AppError(
        'unsupported',
        'calibration: this statistic is of the loss, and a model of embeddings has none. Choose another importance, or give the model labels.',
      );
  }
}

function noAnswers(what: string, why: string): AppError {
  return new AppError('unsupported', `calibration: this statistic is of the loss, and the ${what} ${why}, or choose another importance.`);
}

/** The token where one was hidden, and -1 elsewhere. */
function hiddenLabels(tokens: HostTensor<'int64'>, hidden: HostTensor<'int64'>): HostTensor<'int64'> {
  const labels = tokens.data.map((id, index) => (id === hidden.data[index] ? -1n : id));
  return hostTensor('int64', tokens.shape, labels);
}

/** The sequences of a window one by one, without padding. */
export function* rowsOfWindow({ sizes, inputs }: LossWindow): Generator<LossWindow> {
  const { batch, length, sourceLength } = sizes;
  for (let row = 0; row < batch; row++) {
    const real = realLength(inputs[graphNames.mask], row, length);
    if (real === 0) continue;
    const cut = Object.entries(inputs).map(
      ([name, tensor]) => [name, rowOf(tensor, row, isOfSources(name) ? (sourceLength ?? 0) : real)] as const,
    );
    yield { sizes: { batch: 1, length: real, ...(sourceLength === undefined ? {} : { sourceLength }) }, inputs: Object.fromEntries(cut) };
  }
}

const isOfSources = (name: string): boolean => name === graphNames.source || name === graphNames.sourceMask;

function realLength(mask: HostTensor | undefined, row: number, length: number): number {
  if (mask === undefined) return length;
  invariant(mask.dtype === 'bool', 'a mask is bool');
  let real = 0;
  for (let column = 0; column < length; column++) if (mask.data[row * length + column] === 1) real++;
  return real;
}

/** [B, T] -> [1, kept]; [B] -> [1] */
function rowOf({ dtype, shape, data }: HostTensor, row: number, kept: number): HostTensor {
  const width = sizeOf(shape.slice(1));
  const end = row * width + (shape.length === 1 ? 1 : kept);
  if (dtype === 'int64') return hostTensor('int64', shape.length === 1 ? [1] : [1, kept], (data as BigInt64Array).slice(row * width, end));
  invariant(dtype === 'bool', 'windows hold token ids and masks');
  return hostTensor('bool', [1, kept], (data as Uint8Array).slice(row * width, end));
}

/** Windows of one key have one graph. */
export function windowKey({ batch, length, sourceLength }: WindowSizes): string {
  return [batch, length, ...(sourceLength === undefined ? [] : [sourceLength])].join('x');
}

/** Declares the inputs of a `LossWindow` of these sizes; the answers only where the loss is asked for. */
export function windowNetwork(b: GraphBuilder, model: ModelDeclaration, sizes: WindowSizes): WindowNetwork {
  const { batch, length, sourceLength } = sizes;
  const { config } = model;
  const task = taskOf(config);
  if (task.kind === 'causal') {
    const sources = isEncoderDecoder(config) ? sourceInputs(b, { batch, sourceLength: sourceLength ?? length }) : undefined;
    const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
    const net = sources === undefined ? causalNetwork(b, model, tokens) : encoderDecoderNetwork(b, model, sources, tokens);
    const hidden = net.hidden(tokens);
    const answers = (): ReturnType<WindowNetwork['loss']> => {
      if (sources !== undefined)
        return tokenLosses(b, { net, hidden, labels: b.input(graphNames.labels, 'int64', [batch, length]) }, config.vocabularySize);
      return nextTokenLosses(b, { net, hidden, tokens }, sizes, config);
    };
    return { net, tokens, hidden, real: undefined, loss: answers };
  }
  const inputs = encoderInputs(b, model, sizes);
  const net = encoderNetwork(b, model, inputs);
  const hidden = net.hidden(inputs.tokens);
  const loss = (): ReturnType<WindowNetwork['loss']> => {
    if (task.kind === 'masked')
      return tokenLosses(b, { net, hidden, labels: b.input(graphNames.labels, 'int64', [batch, length]) }, config.vocabularySize);
    invariant(task.kind === 'classify', 'windows of models of embeddings ask nothing');
    const labels = b.input(graphNames.labels, 'int64', [batch]);
    const logits = net.classLogits(firstRows(b, hidden, inputs.tokens)); // [B, C]
    return { losses: b.reshape(b.crossEntropy(logits, labels)[0], [batch, 1]), counts: undefined };
  };
  const real = b.reshape(b.cast(inputs.mask, 'float32'), [batch * length]);
  return { net, tokens: inputs.tokens, hidden, real, loss };
}

interface Answered {
  readonly net: GraphNetwork;
  readonly hidden: Value;
  /** int64 [B, T], negative where there is no answer. */
  readonly labels: Value;
}

function tokenLosses(b: GraphBuilder, { net, hidden, labels }: Answered, vocabularySize: number): ReturnType<WindowNetwork['loss']> {
  const counts = b.cast(b.not(b.less(labels, 0)), 'float32'); // [B, T]
  const rows = b.reshape(b.maximum(labels, 0), [at(hidden.shape, 0)]);
  const losses = b.reshape(rowLosses(b, net, hidden, rows, vocabularySize), labels.shape);
  return { losses: b.mul(losses, counts), counts };
}

function nextTokenLosses(
  b: GraphBuilder,
  { net, hidden, tokens }: Pick<WindowNetwork, 'net' | 'hidden' | 'tokens'>,
  { batch, length }: WindowSizes,
  { width, vocabularySize }: ModelDeclaration['config'],
): ReturnType<WindowNetwork['loss']> {
  const predicted = length - 1;
  const rows = b.reshape(b.slice(b.reshape(hidden, [batch, length, width]), 1, 0, predicted), [batch * predicted, width]);
  const labels = b.reshape(b.slice(tokens, 1, 1, length), [batch * predicted]);
  return { losses: b.reshape(rowLosses(b, net, rows, labels, vocabularySize), [batch, predicted]), counts: undefined };
}

/** Of rows [N, D] with labels [N]: [N]. */
function rowLosses(b: GraphBuilder, net: GraphNetwork, hidden: Value, labels: Value, vocabularySize: number): Value {
  const pieces = inPieces(b, hidden, labels, vocabularySize).map(([rows, wanted]) => b.crossEntropy(net.logits(rows), wanted)[0]);
  return pieces.length === 1 ? at(pieces, 0) : b.concat(pieces, 0);
}

/** Σ over sequences of the mean over their answers. */
export function sumOfMeans(b: GraphBuilder, { losses, counts }: ReturnType<WindowNetwork['loss']>): Value {
  if (counts === undefined) return b.reduceSum(b.reduceMean(losses, [1]), [0]);
  return b.reduceSum(b.div(b.reduceSum(losses, [1]), b.maximum(b.reduceSum(counts, [1]), 1)), [0]);
}
