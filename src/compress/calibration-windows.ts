// What calibration runs over: windows of tokens, padded texts for encoders, or pairs for encoder-decoders; and the network that reads them.
import { AppError, at, invariant } from '#base';
import type { GraphBuilder, Value } from '#graph';
import {
  causalNetwork,
  encoderDecoderNetwork,
  encoderInputs,
  encoderNetwork,
  encoderOutputs,
  type GraphNetwork,
  graphNames,
  isEncoderDecoder,
  isOverTokens,
  type Model,
  type ModelConfig,
  type ModelDeclaration,
  sourceInputs,
  taskOf,
} from '#models';
import { type Dim, elementCount, evaluateDim, type HostTensor, hostTensor, multiplyDims } from '#tensor';

/** Texts that are padded on the right to one length. */
export interface PaddedWindow {
  /** [B, T] */
  readonly tokens: HostTensor<'int64'>;
  /** [B, T], true for real tokens: the others count for nothing. */
  readonly mask: HostTensor<'bool'>;
  /** [B, T]; all tokens belong to the first text when absent. */
  readonly tokenTypes?: HostTensor<'int64'>;
  /** [B]: the right label of each text, for the loss of a classifier. */
  readonly labels?: HostTensor<'int64'>;
  /** [B, T]: the tokens with some of them hidden, for the loss of a model that guesses those. */
  readonly hidden?: HostTensor<'int64'>;
}

/** Sources and what the decoder reads beside them, without padding, which would count as input. */
export interface PairWindow {
  /** [B, S] */
  readonly source: HostTensor<'int64'>;
  /** [B, T] */
  readonly tokens: HostTensor<'int64'>;
  /** [B, T]: the targets, for the loss; negative where there is nothing to predict. */
  readonly labels?: HostTensor<'int64'>;
}

/** Token ids [B, T]; B and T may change from one to the next. */
export type TokenWindows = () => AsyncIterable<HostTensor<'int64'>>;

/** Texts for encoders; B and T may change from one to the next. */
export type PaddedWindows = () => AsyncIterable<PaddedWindow>;

/** Pairs for encoder-decoders; sizes may change from one to the next. */
export type PairWindows = () => AsyncIterable<PairWindow>;

export type CalibrationWindow = HostTensor<'int64'> | PaddedWindow | PairWindow;

/** Starts anew for every pass and must give the same windows each time. */
export type CalibrationWindows = () => AsyncIterable<CalibrationWindow>;

/** The symbols of a window's sizes in graphs. */
const sizes = { batch: 'B', length: 'T', sourceLength: 'S' } as const;

/** The network that calibration looks into, over a window of any size. */
export interface CalibrationNetwork {
  readonly net: GraphNetwork;
  /** The rows [N, …] of a value as float64, with zeros for padding, which then adds nothing to a sum. */
  rows(b: GraphBuilder, value: Value): Value;
  /** N, in the symbols of a window. */
  numRows(value: Value): Dim;
}

/** @param withHead - whether the head is asked for too: it is a linear layer like others */
export function calibrationNetwork(b: GraphBuilder, model: ModelDeclaration, withHead: boolean): CalibrationNetwork {
  const numRows = ({ shape }: Value): Dim => elementCount(shape.slice(0, -1));
  if (taskOf(model.config).kind === 'causal') {
    const sources = isEncoderDecoder(model.config) ? sourceInputs(b, sizes) : undefined;
    const tokens = b.input(graphNames.tokens, 'int64', [sizes.batch, sizes.length]);
    const net = sources === undefined ? causalNetwork(b, model, tokens) : encoderDecoderNetwork(b, model, sources, tokens);
    const hidden = net.hidden(tokens);
    if (withHead) net.logits(hidden);
    return { net, rows: (builder, value) => builder.cast(value, 'float64'), numRows };
  }
  const inputs = encoderInputs(b, model, sizes);
  const net = encoderNetwork(b, model, inputs);
  const hidden = net.hidden(inputs.tokens);
  if (withHead) encoderOutputs(b, model, net, hidden, inputs);
  const real = b.reshape(b.cast(inputs.mask, 'float64'), [multiplyDims(sizes.batch, sizes.length), 1]);
  return {
    net,
    numRows,
    rows: (builder, value) => {
      const rows = builder.cast(value, 'float64');
      return isOverTokens(value, inputs.tokens) ? builder.mul(rows, real) : rows;
    },
  };
}

/** A window as the inputs of graphs, with what it counts for. */
export interface BoundWindow {
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** Real tokens, those of sources included. */
  readonly tokens: number;
  /** Rows of a value that count, of as many as `CalibrationNetwork.numRows` says. */
  realRows(numRows: Dim): number;
}

/** @throws AppError `unsupported` for a window that is not of the model's kind */
export function bindWindow(window: CalibrationWindow, { config }: Pick<Model, 'config'>): BoundWindow {
  if ('source' in window !== isEncoderDecoder(config))
    throw wrongKind(config, 'source' in window ? 'pairs' : 'data' in window ? 'tokens' : 'padded');
  if ('source' in window) return bindPair(window);
  const isCausal = taskOf(config).kind === 'causal';
  if ('data' in window) {
    const inputs = isCausal ? {} : paddingInputs(window, allTrue(window.shape), undefined);
    return bound({ [graphNames.tokens]: window, ...inputs }, window.shape, window.data.length);
  }
  if (isCausal) throw wrongKind(config, 'padded');
  const { tokens, mask, tokenTypes } = window;
  const numReal = mask.data.reduce((sum, isReal) => sum + isReal, 0);
  return bound({ [graphNames.tokens]: tokens, ...paddingInputs(tokens, mask, tokenTypes) }, tokens.shape, numReal);
}

function bindPair({ source, tokens }: PairWindow): BoundWindow {
  const inputs = { [graphNames.source]: source, [graphNames.sourceMask]: allTrue(source.shape), [graphNames.tokens]: tokens };
  const symbols = windowSizes(tokens.shape).set(sizes.sourceLength, at(source.shape, 1));
  invariant(source.shape.length === 2 && source.shape[0] === tokens.shape[0], 'the sources and targets of a window are rows of one batch');
  return { inputs, tokens: source.data.length + tokens.data.length, realRows: (numRows) => evaluateDim(numRows, symbols) };
}

/** A window of texts: values have a row for each token or for each text, and padding is no row that counts. */
function bound(inputs: BoundWindow['inputs'], shape: readonly number[], numReal: number): BoundWindow {
  const symbols = windowSizes(shape);
  const places = shape.reduce((product, size) => product * size, 1);
  return {
    inputs,
    tokens: numReal,
    realRows: (numRows) => {
      const rows = evaluateDim(numRows, symbols);
      return numRows === sizes.batch ? rows : rows - (places - numReal);
    },
  };
}

function windowSizes(shape: readonly number[]): Map<string, number> {
  invariant(shape.length === 2, 'a window is a batch of rows');
  return new Map<string, number>([
    [sizes.batch, at(shape, 0)],
    [sizes.length, at(shape, 1)],
  ]);
}

const kindsOfWindows = {
  tokens: ['texts without a source', 'language models and encoders'],
  padded: ['padded texts', 'encoders'],
  pairs: ['pairs', 'encoder-decoders'],
} as const;

function wrongKind(config: ModelConfig, kind: keyof typeof kindsOfWindows): AppError {
  const [what, models] = kindsOfWindows[kind];
  const wanted = isEncoderDecoder(config) ? 'pairs of sources and targets' : 'windows of tokens';
  return new AppError('unsupported', `calibration: ${what} are for ${models}; give the ${config.architecture} model ${wanted}.`);
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
