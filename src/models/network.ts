// The network that architectures write to: parameters become graph inputs, and attention is plain or works on a cache.
import { AppError, at, invariant } from '#base';
import type { Emitter, Value } from '#graph';
import { type Dim, type DType, multiplyDims, type Shape, staticDim } from '#tensor';
import { adapted, adapterPath } from './adapters.ts';
import type { AttentionOptions, EncoderDecoderParts, Network } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { type AttentionValues, attention, byHead, causalBias, keyBias } from './attention.ts';
import { taskOf } from './config.ts';
import { type CodeLayout, codeLayout, slotEncoding } from './encoded-slots.ts';
import { EncodedValue } from './encoded-value.ts';
import { graphNames } from './graph-names.ts';
import { type ModelDeclaration, type ParameterDeclaration, type ParameterSpec, storedName } from './model.ts';
import type { AppliedWeight, SlotSpec, WeightInGraph } from './parametrization.ts';
import { graphType, parameterSpecs, parametrizationOf } from './parametrizations.ts';
import { behindPrompt, lookupBoth, promptPath, tokenTable, withoutPrompt } from './prompt.ts';
import { keptCount } from './sparse-slots.ts';

/** What a network needs of the builder. */
export interface NetworkBuilder extends Emitter {
  input(name: string, dtype: DType, shape: Shape): Value;
  at<T>(place: string, build: () => T): T;
}

/** How attention reaches earlier positions. */
export type AttentionMode =
  /** All of the sequence is in this step; differentiable. `keyMask` bool [B, T] is true for real tokens, wherever the others stand. */
  | { readonly kind: 'causal'; readonly keyMask?: Value }
  /**
   * The N rows of the step are the tokens of B texts one after the other, without padding, and every token sees all of its text. `keyMask` bool
   * [B, T] is true for real tokens, `packedRows` int64 [B, T] says which row each of them is, `paddedRows` int64 [N] where in [B*T] each row belongs.
   */
  | { readonly kind: 'packed'; readonly keyMask: Value; readonly packedRows: Value; readonly paddedRows: Value }
  /**
   * Keys and values of earlier steps are in inputs `cache.{layer}.key` and `cache.{layer}.value` [B, G, S, cacheWidth(K)] with `room` S.
   * `lastIndex` int32 [B] and `totalLength` int32 [1] are those of `Emitter.groupQueryAttention`. With `parents` int64 [B] sequence i goes on
   * from the cache of sequence parents[i]; the extended cache must then be written elsewhere. In the format `int8` the caches are codes, whose scales
   * are in inputs `scale.{layer}.key` and `scale.{layer}.value` float32 [1, G, 1, cacheWidth(K)].
   */
  | {
      readonly kind: 'cached';
      readonly room: Dim;
      readonly lastIndex: Value;
      readonly totalLength: Value;
      readonly parents?: Value;
      readonly format?: CacheFormat;
    }
  /** What attention of a layer is says who made the network, for rows of any kind. */
  | { readonly kind: 'elsewhere'; readonly attend: Network['attend'] };

export const cacheFormats = ['float32', 'int8'] as const;

/** What keys and values are kept as: as they are, or rounded to 8-bit codes with a scale a channel. */
export type CacheFormat = (typeof cacheFormats)[number];

/** What a decoder attends to besides its own sequence. */
export type Source =
  /** Rows [B*S, D] that the encoder has made in this graph; differentiable. `keyMask` bool [B, S] is true for real tokens. */
  | { readonly kind: 'encoded'; readonly rows: Value; readonly keyMask: Value }
  /**
   * Keys and values of an earlier step, in inputs `source.{layer}.key` and `source.{layer}.value` [B, H, S, K]. Each of the B sources serves
   * `sequences` neighbours in the batch.
   */
  | { readonly kind: 'given'; readonly keyMask: Value; readonly sequences: Dim };

/** How a training method makes a network compute otherwise than its model says. */
export interface NetworkChanges {
  /** What a stored float tensor counts as wherever it is read: rounded, masked, gated. `name` is its stored name, without a prefix. */
  readonly stored?: (name: string, value: Value, parameter: ParameterDeclaration) => Value;
  /** What a linear layer answers, before its bias. `path` is that of its weight; `plain` is the layer as the model says. */
  readonly linear?: (path: string, x: Value, plain: (x: Value) => Value) => Value;
  /** What goes on in place of an intermediate value (`Network.tap`). */
  readonly tapped?: (name: string, value: Value) => Value;
  /** @see Network.runBlocks */
  readonly runBlocks?: Network['runBlocks'];
}

export interface NetworkOptions {
  /** int64 [B, T], or [T] where all sequences have the same. */
  readonly positions: Value;
  /** All positions are below this; the configuration's maximum when absent. */
  readonly positionLimit?: number;
  readonly attention: AttentionMode;
  /** int64 [B, T]; absent where all tokens are of the first type. */
  readonly tokenTypes?: Value | undefined;
  /** For decoders of an encoder-decoder. */
  readonly source?: Source;
  /** Put before the names of the parameters' inputs, so that two models can stand in one graph; for example `teacher/`. */
  readonly prefix?: string;
  readonly runBlocks?: Network['runBlocks'];
  readonly changes?: NetworkChanges | undefined;
}

/** How a network stands in a graph that others stand in too. */
export type NetworkPlace = Pick<NetworkOptions, 'prefix' | 'changes'>;

/** Name of the cache input, of the cache output (`present`), of the scales of its codes, or of the tensor made from the source, of one layer. */
export function cacheName(kind: 'cache' | 'present' | 'scale' | 'source', layer: number, part: 'key' | 'value'): string {
  return `${kind}.${layer}.${part}`;
}

/** Taps of what comes behind the last norm, rows [N, D]: what `hidden` and `encode` answered. */
export const resultTaps = { hidden: 'hidden', encoded: 'encoded' } as const;

/** Name of a slot of a parameter among `GraphNetwork.productInputs`. */
export function slotName(path: string, slot: string): string {
  return `${path}:${slot}`;
}

/** Width of a head in the cache: kernels want a multiple of 8, of codes of 16. Zeros behind a key or value change neither scores nor sums. */
export function cacheWidth(headWidth: number, format: CacheFormat = 'float32'): number {
  const unit = format === 'int8' ? 16 : 8;
  return Math.ceil(headWidth / unit) * unit;
}

/** What a network writes down while a graph is built; networks over one model in one graph share it. */
class NetworkRecords {
  /** The parameters' inputs by stored name (without the prefix), in the order of their first use. */
  readonly parameterInputs = new Map<string, Value>();
  /** The extended caches by output name `present.{layer}.key` and `.value`; empty without a cache. */
  readonly presents = new Map<string, Value>();
  /**
   * What each linear layer was applied to, rows [N, in], by the path of its weight: for calibration. One value an application; a layer
   * whose parameters stand at several places has several.
   */
  readonly linearInputs = new Map<string, Value[]>();
  /** What the slots of weights are multiplied by, summed over the axis that their codes run along; by `slotName`. For calibration. */
  readonly productInputs = new Map<string, Value[]>();
  /** What each linear layer answered before its bias, rows [N, out], in the same way: gradients flow back to it. */
  readonly linearOutputs = new Map<string, Value[]>();
  readonly taps = new Map<string, Value>();
  /** What the attentions over whole sequences were made of, by the path of their block (`h.3`); not those to a source. */
  readonly attentions = new Map<string, AttentionValues>();
  /** Stored tensors as the network sees them, where `NetworkChanges.stored` changed them. */
  readonly changedInputs = new Map<string, Value>();
}

/** A `Network` over a graph builder. It knows how parameters are stored, not what they hold. */
export class GraphNetwork implements Network {
  readonly b: NetworkBuilder;
  readonly positions: Value;
  readonly positionLimit: number;
  readonly tokenTypes: Value | undefined;
  readonly runBlocks: Network['runBlocks'];
  readonly parameterInputs: NetworkRecords['parameterInputs'];
  readonly presents: NetworkRecords['presents'];
  readonly linearInputs: NetworkRecords['linearInputs'];
  readonly productInputs: NetworkRecords['productInputs'];
  readonly linearOutputs: NetworkRecords['linearOutputs'];
  readonly taps: NetworkRecords['taps'];
  readonly attentions: NetworkRecords['attentions'];
  readonly changedInputs: NetworkRecords['changedInputs'];
  readonly #changes: NetworkChanges;
  readonly #model: ModelDeclaration;
  readonly #specs: ReadonlyMap<string, ParameterSpec>;
  readonly #attention: AttentionMode;
  readonly #source: Source | undefined;
  readonly #prefix: string;
  /** What is added to scores, by what queries see and the size of their window. */
  readonly #biases = new Map<string, Value | undefined>();
  #keyPositions: Value | undefined;

  constructor(b: NetworkBuilder, model: ModelDeclaration, options: NetworkOptions, records: NetworkRecords = new NetworkRecords()) {
    this.parameterInputs = records.parameterInputs;
    this.presents = records.presents;
    this.linearInputs = records.linearInputs;
    this.productInputs = records.productInputs;
    this.linearOutputs = records.linearOutputs;
    this.taps = records.taps;
    this.attentions = records.attentions;
    this.changedInputs = records.changedInputs;
    this.#changes = options.changes ?? {};
    this.b = b;
    this.positions = options.positions;
    this.#model = model;
    this.#specs = parameterSpecs(model);
    this.#attention = options.attention;
    this.#source = options.source;
    this.#prefix = options.prefix ?? '';
    this.runBlocks = options.runBlocks ?? this.#changes.runBlocks;
    this.positionLimit = options.positionLimit ?? model.config.maxPositions;
    this.tokenTypes = options.tokenTypes;
  }

  /**
   * tokens int64 [B, T] -> rows [B*T, D] after the last norm.
   *
   * The rows of a trained prompt are put in front of whole texts here; with a cache, and where texts are packed, its ids (`promptIds`) are among the tokens.
   */
  hidden(tokens: Value): Value {
    const rows = this.#hidden(tokens);
    this.taps.set(resultTaps.hidden, rows);
    return rows;
  }

  #hidden(tokens: Value): Value {
    const { config } = this.#model;
    const architecture = architectureOf(config);
    if (config.prompt === undefined || this.#attention.kind !== 'causal') return architecture.hidden(config, this, tokens);
    const { b, positions, tokenTypes } = this;
    const whole = behindPrompt(b, config, { tokens, positions, tokenTypes, keyMask: this.#attention.keyMask });
    const longer = this.beside({
      positions: whole.positions,
      positionLimit: Math.min(config.maxPositions, this.positionLimit + config.prompt.length),
      attention: { kind: 'causal', ...(whole.keyMask === undefined ? {} : { keyMask: whole.keyMask }) },
      tokenTypes: whole.tokenTypes,
    });
    return withoutPrompt(b, config, architecture.hidden(config, longer, whole.tokens), tokens.shape);
  }

  /** hidden [..., D] -> logits [..., V]. @throws AppError `unsupported` for a task without logits of tokens */
  logits(hidden: Value): Value {
    const { config } = this.#model;
    return architectureOf(config).logits(config, this, hidden);
  }

  /** Hidden state of each text's first token [B, D] -> logits of the labels [B, C]. @throws AppError `unsupported` */
  classLogits(first: Value): Value {
    const { config } = this.#model;
    const architecture = architectureOf(config);
    if (architecture.classLogits === undefined || config.task?.kind !== 'classify')
      throw new AppError(
        'unsupported',
        `the ${config.architecture} model has no labels: its task is ${taskOf(config).kind}. Give it the task "classify" first.`,
      );
    return architecture.classLogits(config, this, first);
  }

  /** source int64 [B, S] -> encoded rows [B*S, D]. @throws AppError `unsupported` for a model without an encoder */
  encode(source: Value): Value {
    const rows = this.#parts().encode(this.#model.config, this, source);
    this.taps.set(resultTaps.encoded, rows);
    return rows;
  }

  /** encoded rows [B*S, D] -> keys and values [B, H, S, K] of one decoder layer, for B sources. */
  sourceKeysValues(layer: number, encoded: Value, [B, S]: readonly [Dim, Dim]): readonly [Value, Value] {
    const { config } = this.#model;
    const { headWidth: K } = architectureOf(config).heads(config, layer);
    const [k, v] = this.#parts().sourceKeysValues(config, this, layer, encoded);
    const shaped = (x: Value): Value => byHead(this.b, this.b.reshape(x, [B, S, staticDim(x.shape[1], 'keys of all heads') / K, K]));
    return [shaped(k), shaped(v)];
  }

  /**
   * A network over the same parameters for another sequence: its inputs, taps and what layers read and answer are this one's too.
   *
   * So one graph holds an encoder and the decoder that reads it.
   */
  beside(options: Omit<NetworkOptions, 'prefix'>): GraphNetwork {
    return new GraphNetwork(this.b, this.#model, { changes: this.#changes, ...options, prefix: this.#prefix }, this);
  }

  #parts(): EncoderDecoderParts {
    const { config } = this.#model;
    const { encoderDecoder } = architectureOf(config);
    if (encoderDecoder !== undefined) return encoderDecoder;
    throw new AppError('unsupported', `a ${config.architecture} model has no encoder. Choose an encoder-decoder.`);
  }

  at<T>(place: string, build: () => T): T {
    return this.b.at(place, build);
  }

  linear(path: string, x: Value): Value {
    const weightPath = `${path}.weight`;
    const biasPath = `${path}.bias`;
    this.linearInputs.set(weightPath, [...(this.linearInputs.get(weightPath) ?? []), x]);
    const plain = (input: Value): Value => this.weight(weightPath).linear(input);
    const y = this.#changes.linear?.(weightPath, x, plain) ?? plain(x);
    this.linearOutputs.set(weightPath, [...(this.linearOutputs.get(weightPath) ?? []), y]);
    const answer = this.#model.parameters.has(biasPath) ? this.b.add(y, this.vector(biasPath)) : y;
    return this.#model.parameters.has(`${adapterPath(path)}.up.weight`) ? adapted(this, path, answer) : answer;
  }

  embed(path: string, ids: Value): Value {
    const { prompt, vocabularySize } = this.#model.config;
    const lookup = (table: string, rows: Value): Value => this.weight(table).lookup(rows);
    if (prompt === undefined || path !== tokenTable) return lookup(`${path}.weight`, ids);
    return lookupBoth(
      this.b,
      vocabularySize,
      ids,
      (rows) => lookup(`${path}.weight`, rows),
      (rows) => lookup(promptPath, rows),
    );
  }

  embedTransposed(path: string, x: Value): Value {
    return this.weight(`${path}.weight`).transposed(x);
  }

  vector(path: string): Value {
    return this.weight(path).dense();
  }

  attend(layer: number, q: Value, k: Value, v: Value, options: AttentionOptions = {}): Value {
    const { b } = this;
    if (this.#attention.kind === 'cached') {
      if (options.sees === 'all') throw new AppError('unsupported', 'attention to all positions keeps no cache: not a generating model.');
      return this.#attendToCache(this.#attention, layer, q, k, v, options);
    }
    if (this.#attention.kind === 'elsewhere') return this.#attention.attend(layer, q, k, v, options);
    if (this.#attention.kind === 'packed') return this.#attendPacked(this.#attention, q, k, v, options);
    const hidden = this.#hidingBias(options, this.#attention.keyMask, at(q.shape, 1));
    const bias = options.bias === undefined || hidden === undefined ? (options.bias ?? hidden) : b.add(options.bias, hidden);
    return attention(b, q, byHead(b, k), byHead(b, v), bias, options, (products, probabilities) => {
      const scores = options.bias === undefined ? products : b.add(products, options.bias);
      this.attentions.set(options.block ?? `h.${layer}`, { q, k, v, scores, hiding: hidden, probabilities });
    });
  }

  attendTo(layer: number, q: Value, options: Pick<AttentionOptions, 'scale'> = {}): Value {
    const { b } = this;
    const source = this.#source;
    invariant(source !== undefined, 'a decoder that attends to a source has one');
    const { keyMask } = source;
    const [B, S] = [at(keyMask.shape, 0), at(keyMask.shape, 1)];
    const bias = this.#once('source', () => keyBias(b, keyMask));
    const [H, K] = [at(q.shape, 2), at(q.shape, 3)];
    if (source.kind === 'encoded') return attention(b, q, ...this.sourceKeysValues(layer, source.rows, [B, S]), bias, options);
    const given = (part: 'key' | 'value'): Value => b.input(this.#prefix + cacheName('source', layer, part), 'float32', [B, H, S, K]);
    // The sequences of one source stand one under the other, so that they share its keys without a copy.
    const perSource = multiplyDims(source.sequences, at(q.shape, 1));
    return attention(b, b.reshape(q, [B, perSource, H, K]), given('key'), given('value'), bias, options);
  }

  get keyPositions(): Value {
    if (this.#attention.kind === 'cached') this.#keyPositions ??= this.b.input(graphNames.keyPositions, 'int64', ['N']);
    return this.#keyPositions ?? this.positions;
  }

  /** What hides the keys that a query must not see; made once for all layers that see the same. */
  #hidingBias({ sees = 'past', window }: AttentionOptions, keyMask: Value | undefined, length: Dim): Value | undefined {
    const { b } = this;
    return this.#once(`${sees} ${window ?? ''}`, () => {
      if (sees === 'past') return causalBias(b, length, keyMask, window);
      return keyMask === undefined ? undefined : keyBias(b, keyMask);
    });
  }

  #once(key: string, make: () => Value | undefined): Value | undefined {
    if (!this.#biases.has(key)) this.#biases.set(key, make());
    return this.#biases.get(key);
  }

  tap(name: string, value: Value): Value {
    const seen = this.#changes.tapped?.(name, value) ?? value;
    this.taps.set(name, seen);
    return seen;
  }

  /** A parameter by its path, ready to be used in the graph. */
  weight(path: string): AppliedWeight {
    const parameter = this.#model.parameters.get(path);
    const spec = this.#specs.get(path);
    if (parameter === undefined || spec === undefined)
      throw new AppError('config_mismatch', `${path}: the ${this.#model.config.architecture} model has no such parameter.`);
    const parametrization = parametrizationOf(parameter);
    const weight = this.#weightInGraph(spec, parameter);
    return {
      linear: (x) => parametrization.linear(weight, x),
      lookup: (ids) => parametrization.lookup(weight, ids),
      transposed: (x) => parametrization.transposed(weight, x),
      dense: () => parametrization.dense(weight),
    };
  }

  #weightInGraph(spec: ParameterSpec, parameter: ParameterDeclaration): WeightInGraph {
    const { b } = this;
    const { path, kind, settings } = parameter;
    const slotSpec = (name: string): SlotSpec => {
      const slot = parametrizationOf(parameter).slots(spec, settings)[name];
      invariant(slot !== undefined, `${path} (${kind}) has no slot ${name}`);
      return slot;
    };
    const stored = (name: string): Value => {
      // Sparse slots come whole.
      if (keptCount(parameter, name) !== undefined) return this.#storedInput(parameter, name, 'float32', slotSpec(name).shape);
      const tensor = parameter.tensors[name];
      invariant(tensor !== undefined, `${path} (${kind}) has no stored tensor ${name}`);
      return this.#storedInput(parameter, name, graphType(tensor.dtype), tensor.shape);
    };
    const layoutOf = (name: string): CodeLayout | undefined => codeLayout(slotSpec(name));
    const encoded = (name: string): EncodedValue | undefined => {
      const encoding = slotEncoding(parameter, name);
      return encoding === undefined ? undefined : new EncodedValue(b, name, slotSpec(name), encoding, stored);
    };
    return {
      b,
      spec,
      settings,
      slot: (name) => encoded(name)?.dense() ?? stored(name),
      product: (x, name) => {
        if (layoutOf(name)?.isTransposed === true) this.#productOf(path, name, x);
        return encoded(name)?.product(x) ?? b.matmul(x, stored(name));
      },
      productTransposed: (x, name) => {
        if (layoutOf(name)?.isTransposed === false) this.#productOf(path, name, x);
        return encoded(name)?.productTransposed(x) ?? b.matmul(x, stored(name), { transposeB: true });
      },
      rows: (name, ids) => encoded(name)?.rows(ids) ?? b.gather(stored(name), ids),
      other: (other) => this.weight(other),
    };
  }

  #productOf(path: string, slot: string, x: Value): void {
    const name = slotName(path, slot);
    this.productInputs.set(name, [...(this.productInputs.get(name) ?? []), x]);
  }

  #storedInput(parameter: ParameterDeclaration, slot: string, dtype: DType, shape: Shape): Value {
    const name = storedName(parameter, slot);
    const value = this.#parameterInput(name, dtype, shape);
    const { stored } = this.#changes;
    if (stored === undefined || dtype !== 'float32') return value;
    const known = this.changedInputs.get(name);
    if (known !== undefined) return known;
    const changed = stored(name, value, parameter);
    this.changedInputs.set(name, changed);
    return changed;
  }

  #parameterInput(name: string, dtype: DType, shape: Shape): Value {
    const known = this.parameterInputs.get(name);
    if (known !== undefined) return known;
    const made = this.b.input(this.#prefix + name, dtype, shape);
    this.parameterInputs.set(name, made);
    return made;
  }

  #attendPacked(
    { keyMask, packedRows, paddedRows }: Extract<AttentionMode, { kind: 'packed' }>,
    q: Value,
    k: Value,
    v: Value,
    options: AttentionOptions,
  ): Value {
    const { b } = this;
    invariant(options.sees === 'all' && options.bias === undefined, 'packed texts are those of encoders without relative positions');
    const [B, T] = [at(keyMask.shape, 0), at(keyMask.shape, 1)];
    const [H, K] = [staticDim(q.shape[2], 'heads'), staticDim(q.shape[3], 'head width')];
    const rows = multiplyDims(at(q.shape, 0), at(q.shape, 1));
    const padded = (x: Value): Value => b.reshape(b.gather(b.reshape(x, [rows, H * K]), packedRows), [B, T, H, K]);
    const bias = this.#once('packed', () => keyBias(b, keyMask));
    return b.gather(attention(b, padded(q), byHead(b, padded(k)), byHead(b, padded(v)), bias, options), paddedRows); // [N, H*K]
  }

  #attendToCache(
    mode: Extract<AttentionMode, { kind: 'cached' }>,
    layer: number,
    q: Value,
    k: Value,
    v: Value,
    { scale, window, softCap, bias }: AttentionOptions,
  ): Value {
    const { b } = this;
    const [H, G, K] = [staticDim(q.shape[2], 'heads'), staticDim(k.shape[2], 'heads of keys'), staticDim(q.shape[3], 'head width')];
    const [B, T] = [at(q.shape, 0), at(q.shape, 1)];
    const { format = 'float32' } = mode;
    const width = cacheWidth(K, format);
    const flat = (x: Value, heads: number): Value => b.reshape(b.pad(x, 3, 0, width - K), [B, T, heads * width]);
    const past = (part: 'key' | 'value'): Value => {
      const cache = b.input(this.#prefix + cacheName('cache', layer, part), format, [B, G, mode.room, width]);
      return mode.parents === undefined ? cache : b.gather(cache, mode.parents);
    };
    const attrs = {
      heads: H,
      keyValueHeads: G,
      scale: scale ?? 1 / Math.sqrt(K),
      ...(window === undefined ? {} : { window }),
      ...(softCap === undefined ? {} : { softCap }),
    };
    const [added, pastKey, pastValue] = [[flat(q, H), flat(k, G), flat(v, G)] as const, past('key'), past('value')];
    const lengths = [mode.lastIndex, mode.totalLength] as const;
    const scales = (part: 'key' | 'value'): Value => b.input(this.#prefix + cacheName('scale', layer, part), 'float32', [1, G, 1, width]);
    const overCodes = (): readonly [Value, Value, Value] => {
      if (bias !== undefined)
        throw new AppError('unsupported', 'attention with relative positions has no cache in 8 bits. Keep its cache in float32.');
      const cache = { pastKey, pastValue, keyScales: scales('key'), valueScales: scales('value') };
      return b.int8GroupQueryAttention(...added, cache, ...lengths, attrs);
    };
    const [y, presentKey, presentValue] =
      format === 'int8' ? overCodes() : b.groupQueryAttention(...added, pastKey, pastValue, ...lengths, attrs, bias);
    this.presents.set(cacheName('present', layer, 'key'), presentKey);
    this.presents.set(cacheName('present', layer, 'value'), presentValue);
    const mixed = b.slice(b.reshape(y, [B, T, H, width]), 3, 0, K); // [B, T, H, K]
    return b.reshape(mixed, [multiplyDims(B, T), H * K]);
  }
}
