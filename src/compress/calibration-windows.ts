// What calibration runs over: windows of tokens, or padded texts for encoders; and the network that reads them.
import { AppError, at } from '#base';
import type { GraphBuilder, Value } from '#graph';
import {
  causalNetwork,
  encoderInputs,
  encoderNetwork,
  encoderOutputs,
  type GraphNetwork,
  graphNames,
  isOverTokens,
  type Model,
  type ModelDeclaration,
  taskOf,
} from '#models';
import { type HostTensor, hostTensor, multiplyDims } from '#tensor';

/** Texts that are padded on the right to one length. */
export interface PaddedWindow {
  /** [B, T] */
  readonly tokens: HostTensor<'int64'>;
  /** [B, T], true for real tokens: the others count for nothing. */
  readonly mask: HostTensor<'bool'>;
  /** [B, T]; all tokens belong to the first text when absent. */
  readonly tokenTypes?: HostTensor<'int64'>;
}

/** Token ids [B, T]; B and T may change from one to the next. */
export type TokenWindows = () => AsyncIterable<HostTensor<'int64'>>;

/** Texts for encoders; B and T may change from one to the next. */
export type PaddedWindows = () => AsyncIterable<PaddedWindow>;

export type CalibrationWindow = HostTensor<'int64'> | PaddedWindow;

/** Starts anew for every pass and must give the same windows each time. */
export type CalibrationWindows = () => AsyncIterable<CalibrationWindow>;

/** The symbols of a window's sizes in graphs. */
const sizes = { batch: 'B', length: 'T' } as const;

/** The network that calibration looks into, over a window of any size. */
export interface CalibrationNetwork {
  readonly net: GraphNetwork;
  /** The rows [N, …] of a value as float64, with zeros for padding, which then adds nothing to a sum. */
  rows(b: GraphBuilder, value: Value): Value;
  /** Whether the rows of a value are tokens, rather than whole texts as in a classification head. */
  isOverTokens(value: Value): boolean;
}

/** @param withHead - whether the head is asked for too: it is a linear layer like others */
export function calibrationNetwork(b: GraphBuilder, model: ModelDeclaration, withHead: boolean): CalibrationNetwork {
  if (taskOf(model.config).kind === 'causal') {
    const tokens = b.input(graphNames.tokens, 'int64', [sizes.batch, sizes.length]);
    const net = causalNetwork(b, model, tokens);
    const hidden = net.hidden(tokens);
    if (withHead) net.logits(hidden);
    return { net, rows: (builder, value) => builder.cast(value, 'float64'), isOverTokens: () => true };
  }
  const inputs = encoderInputs(b, model, sizes);
  const net = encoderNetwork(b, model, inputs);
  const hidden = net.hidden(inputs.tokens);
  if (withHead) encoderOutputs(b, model, net, hidden, inputs);
  const isOver = (value: Value): boolean => isOverTokens(value, inputs.tokens);
  const real = b.reshape(b.cast(inputs.mask, 'float64'), [multiplyDims(sizes.batch, sizes.length), 1]);
  return {
    net,
    isOverTokens: isOver,
    rows: (builder, value) => {
      const rows = builder.cast(value, 'float64');
      return isOver(value) ? builder.mul(rows, real) : rows;
    },
  };
}

/** A window as the inputs of graphs, with what it counts for. */
export interface BoundWindow {
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** Real tokens. */
  readonly tokens: number;
  readonly texts: number;
}

/** @throws AppError `unsupported` for padding before a model whose graphs do not know of it */
export function bindWindow(window: CalibrationWindow, { config }: Pick<Model, 'config'>): BoundWindow {
  const isCausal = taskOf(config).kind === 'causal';
  if ('data' in window) {
    const inputs = isCausal ? {} : paddingInputs(window, allTrue(window.shape), undefined);
    return { inputs: { [graphNames.tokens]: window, ...inputs }, tokens: window.data.length, texts: at(window.shape, 0) };
  }
  if (isCausal)
    throw new AppError(
      'unsupported',
      `calibration: padded texts are for encoders; give the ${config.architecture} model windows of tokens.`,
    );
  const { tokens, mask, tokenTypes } = window;
  return {
    inputs: { [graphNames.tokens]: tokens, ...paddingInputs(tokens, mask, tokenTypes) },
    tokens: mask.data.reduce((sum, isReal) => sum + isReal, 0),
    texts: at(tokens.shape, 0),
  };
}

function paddingInputs(
  tokens: HostTensor<'int64'>,
  mask: HostTensor<'bool'>,
  tokenTypes: HostTensor<'int64'> | undefined,
): Record<string, HostTensor> {
  return { [graphNames.mask]: mask, [graphNames.tokenTypes]: tokenTypes ?? hostTensor('int64', tokens.shape) };
}

function allTrue(shape: readonly number[]): HostTensor<'bool'> {
  const mask = hostTensor('bool', shape);
  mask.data.fill(1);
  return mask;
}
