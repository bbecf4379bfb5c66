// Scales of channels moved from what makes them into the weights that read them, so that the model computes the same.
import { AppError, at, invariant } from '#base';
import { architectureOf, isEncoded, type LinearFeed, type Model, type Parameter, replaceParameters } from '#models';
import { castTensor, float32, type HostTensor } from '#tensor';

/** Channels that may be scaled: rows of the readers are multiplied by s, and what makes them is divided by it. */
export interface ChannelFeed {
  /** What people see: the norm, or the weight before. */
  readonly maker: string;
  readonly readers: readonly string[];
  /** Vectors that are divided, each from its first element on. */
  readonly vectors: readonly { readonly path: string; readonly first: number }[];
  /** The linear weight whose columns are divided. */
  readonly source?: LinearFeed;
}

/** Slots of the kinds whose rows (first) and columns (second) can be scaled. */
const ends: Readonly<Record<string, readonly [string, string]>> = { dense: ['value', 'value'], lowRank: ['left', 'right'] };

/** The slot whose rows are those of the weight, where there is one that holds plain numbers. */
export function scalableSlot(parameter: Parameter | undefined): string | undefined {
  const slot = parameter === undefined || isEncoded(parameter) ? undefined : ends[parameter.kind]?.[0];
  // A sparse slot is stored in pieces.
  return slot !== undefined && parameter?.tensors[slot] !== undefined ? slot : undefined;
}

export interface FeedChoice {
  readonly feeds: readonly ChannelFeed[];
  /** Why the inputs of a selected weight cannot be scaled, by its path. */
  readonly reasons: ReadonlyMap<string, string>;
}

/**
 * The feeds of the architecture all of whose readers are among the selected matrices.
 *
 * @param withLinear - also those from a linear layer; its weight must be selected too
 */
export function chooseFeeds(model: Model, selected: ReadonlySet<string>, withLinear: boolean): FeedChoice {
  const architecture = architectureOf(model.config);
  const norms = architecture.normFeeds(model.config).map(({ norm, readers }): ChannelFeed => {
    const paths = [`${norm}.weight`, `${norm}.bias`].filter((path) => model.parameters.has(path));
    return { maker: norm, readers, vectors: paths.map((path) => ({ path, first: 0 })) };
  });
  const linears = architecture.linearFeeds(model.config).map((source): ChannelFeed => {
    const vectors = source.bias === undefined ? [] : [{ path: source.bias, first: source.firstColumn }];
    return { maker: source.source, readers: source.readers, vectors, source };
  });
  // What another parameter refers to is used in another place too, where nothing is divided.
  const borrowed = new Set([...model.parameters.values()].map(({ settings }) => settings['of']));
  const feeds: ChannelFeed[] = [];
  const reasons = new Map<string, string>();
  for (const feed of withLinear ? [...norms, ...linears] : norms) {
    const needed = feed.source === undefined ? feed.readers : [...feed.readers, feed.source.source];
    const missing = needed.find((path) => !selected.has(path));
    const lent = [...needed, ...feed.vectors.map(({ path }) => path)].find((path) => borrowed.has(path));
    const isPlain = (path: string): boolean => scalableSlot(model.parameters.get(path)) !== undefined;
    const rigid = lent ?? [...needed, ...feed.vectors.map(({ path }) => path)].find((path) => !isPlain(path));
    if (missing === undefined && rigid === undefined) feeds.push(feed);
    else if (missing === undefined) for (const path of feed.readers) reasons.set(path, `${rigid} cannot be scaled as it is stored`);
    else for (const path of feed.readers) reasons.set(path, `${missing} has a part in it and is not in this step`);
  }
  return { feeds, reasons };
}

/**
 * The same function with channels scaled.
 *
 * @param scales - s, one a channel, all positive and finite
 */
export function scaleChannels(model: Model, feed: ChannelFeed, scales: Float64Array): Model {
  const bad = scales.findIndex((scale) => !(scale > 0 && Number.isFinite(scale)));
  if (bad >= 0)
    throw new AppError(
      'bad_weights',
      `${feed.maker}: channel ${bad} would be scaled by ${scales[bad]}. Exclude ${feed.readers.join(', ')}.`,
    );
  let scaled = model;
  const parameterOf = (path: string): Parameter => {
    const parameter = scaled.parameters.get(path);
    invariant(parameter !== undefined, `${path} is a part of a feed but not of the model`);
    return parameter;
  };
  for (const { path, first } of feed.vectors)
    scaled = replaceParameters(scaled, [withTensor(parameterOf(path), 'value', (_, element) => 1 / (scales[element - first] ?? 1))]);
  if (feed.source !== undefined) {
    const { source, firstColumn } = feed.source;
    const slot = slotsOf(parameterOf(source))[1];
    scaled = replaceParameters(scaled, [withTensor(parameterOf(source), slot, (_, column) => 1 / (scales[column - firstColumn] ?? 1))]);
  }
  for (const reader of feed.readers) {
    const slot = slotsOf(parameterOf(reader))[0];
    scaled = replaceParameters(scaled, [withTensor(parameterOf(reader), slot, (row) => at(scales, row))]);
  }
  return scaled;
}

function slotsOf({ path, kind }: Parameter): readonly [string, string] {
  const slots = ends[kind];
  invariant(slots !== undefined, `${path} (${kind}) cannot be scaled`);
  return slots;
}

/** One tensor, as [rows, columns], multiplied element by element; in float32, since 16 bits would round the product. */
function withTensor(parameter: Parameter, slot: string, factor: (row: number, column: number) => number): Parameter {
  const stored = parameter.tensors[slot];
  invariant(stored !== undefined, `${parameter.path} stores its ${slot} whole`);
  const tensor: HostTensor<'float32'> = castTensor(stored, 'float32');
  const columns = at(tensor.shape, tensor.shape.length - 1);
  const data = tensor.data.map((value, index) => value * factor(Math.floor(index / columns), index % columns));
  return { ...parameter, tensors: { ...parameter.tensors, [slot]: float32(tensor.shape, data) } };
}
