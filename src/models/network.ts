// The network that architectures write to: parameters become graph inputs, and attention is plain or works on a cache.
import { AppError, at, invariant } from '#base';
import type { Emitter, Value } from '#graph';
import { type Dim, type DType, multiplyDims, type Shape } from '#tensor';
import type { AttentionOptions, HeadLayout, Network } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { attention, causalBias, keyBias } from './attention.ts';
import { attentionLayouts } from './attention-layouts.ts';
import { taskOf } from './config.ts';
import { type CodeLayout, codeLayout, slotEncoding } from './encoded-slots.ts';
import { EncodedValue } from './encoded-value.ts';
import { type ModelDeclaration, type ParameterDeclaration, type ParameterSpec, storedName } from './model.ts';
import type { AppliedWeight, SlotSpec, WeightInGraph } from './parametrization.ts';
import { graphType, parameterSpecs, parametrizationOf } from './parametrizations.ts';
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
   * Keys and values of earlier steps are in inputs `cache.{layer}.key` and `cache.{layer}.value` [B, G, S, cacheWidth(K)] with `room` S.
   * `lastIndex` int32 [B] and `totalLength` int32 [1] are those of `Emitter.groupQueryAttention`.
   */
  | { readonly kind: 'cached'; readonly room: Dim; readonly lastIndex: Value; readonly totalLength: Value };

export interface NetworkOptions {
  /** int64 [B, T], or [T] where all sequences have the same. */
  readonly positions: Value;
  /** All positions are below this; the configuration's maximum when absent. */
  readonly positionLimit?: number;
  readonly attention: AttentionMode;
  /** int64 [B, T]; absent where all tokens are of the first type. */
  readonly tokenTypes?: Value | undefined;
  /** Put before the names of the parameters' inputs, so that two models can stand in one graph; for example `teacher/`. */
  readonly prefix?: string;
  readonly runBlocks?: Network['runBlocks'];
}

/** Name of the cache input or of the cache output (`present`) of one layer. */
export function cacheName(kind: 'cache' | 'present', layer: number, part: 'key' | 'value'): string {
  return `${kind}.${layer}.${part}`;
}

/** Name of a slot of a parameter among `GraphNetwork.productInputs`. */
export function slotName(path: string, slot: string): string {
  return `${path}:${slot}`;
}

/** Width of a head in the cache: kernels want a multiple of 8. Zeros behind a key or value change neither scores nor sums. */
export function cacheWidth(headWidth: number): number {
  return Math.ceil(headWidth / 8) * 8;
}

/** A `Network` over a graph builder. It knows how parameters are stored, not what they hold. */
export class GraphNetwork implements Network {
  readonly b: NetworkBuilder;
  readonly positions: Value;
  readonly positionLimit: number;
  readonly tokenTypes: Value | undefined;
  readonly runBlocks: Network['runBlocks'];
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
  readonly #model: ModelDeclaration;
  readonly #specs: ReadonlyMap<string, ParameterSpec>;
  readonly #layouts: readonly HeadLayout[];
  readonly #attention: AttentionMode;
  readonly #prefix: string;
  /** What is added to scores, by what queries see and the size of their window. */
  readonly #biases = new Map<string, Value | undefined>();

  constructor(b: NetworkBuilder, model: ModelDeclaration, options: NetworkOptions) {
    this.b = b;
    this.positions = options.positions;
    this.#model = model;
    this.#specs = parameterSpecs(model);
    this.#layouts = attentionLayouts(model.config);
    this.#attention = options.attention;
    this.#prefix = options.prefix ?? '';
    this.runBlocks = options.runBlocks;
    this.positionLimit = options.positionLimit ?? model.config.maxPositions;
    this.tokenTypes = options.tokenTypes;
  }

  /** tokens int64 [B, T] -> rows [B*T, D] after the last norm. */
  hidden(tokens: Value): Value {
    const { config } = this.#model;
    return architectureOf(config).hidden(config, this, tokens);
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

  at<T>(place: string, build: () => T): T {
    return this.b.at(place, build);
  }

  linear(path: string, x: Value): Value {
    const weightPath = `${path}.weight`;
    const biasPath = `${path}.bias`;
    this.linearInputs.set(weightPath, [...(this.linearInputs.get(weightPath) ?? []), x]);
    const y = this.weight(weightPath).linear(x);
    this.linearOutputs.set(weightPath, [...(this.linearOutputs.get(weightPath) ?? []), y]);
    return this.#model.parameters.has(biasPath) ? this.b.add(y, this.vector(biasPath)) : y;
  }

  embed(path: string, ids: Value): Value {
    return this.weight(`${path}.weight`).lookup(ids);
  }

  embedTransposed(path: string, x: Value): Value {
    return this.weight(`${path}.weight`).transposed(x);
  }

  vector(path: string): Value {
    return this.weight(path).dense();
  }

  attend(layer: number, q: Value, k: Value, v: Value, options: AttentionOptions = {}): Value {
    if (this.#attention.kind === 'cached') {
      if (options.sees === 'all') throw new AppError('unsupported', 'attention to all positions keeps no cache: not a generating model.');
      return this.#attendToCache(this.#attention, layer, q, k, v, options);
    }
    return attention(this.b, q, k, v, this.#bias(options, this.#attention.keyMask, at(q.shape, 1)), at(this.#layouts, layer), options);
  }

  /** Made once for all layers that see the same. */
  #bias({ sees = 'past', window }: AttentionOptions, keyMask: Value | undefined, length: Dim): Value | undefined {
    const key = `${sees} ${window ?? ''}`;
    if (!this.#biases.has(key)) {
      const allSeen = keyMask === undefined ? undefined : keyBias(this.b, keyMask);
      this.#biases.set(key, sees === 'all' ? allSeen : causalBias(this.b, length, keyMask, window));
    }
    return this.#biases.get(key);
  }

  tap(name: string, value: Value): Value {
    this.taps.set(name, value);
    return value;
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
      if (keptCount(parameter, name) !== undefined)
        return this.#parameterInput(storedName(parameter, name), 'float32', slotSpec(name).shape);
      const tensor = parameter.tensors[name];
      invariant(tensor !== undefined, `${path} (${kind}) has no stored tensor ${name}`);
      return this.#parameterInput(storedName(parameter, name), graphType(tensor.dtype), tensor.shape);
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

  #parameterInput(name: string, dtype: DType, shape: Shape): Value {
    const known = this.parameterInputs.get(name);
    if (known !== undefined) return known;
    const made = this.b.input(this.#prefix + name, dtype, shape);
    this.parameterInputs.set(name, made);
    return made;
  }

  #attendToCache(
    mode: Extract<AttentionMode, { kind: 'cached' }>,
    layer: number,
    q: Value,
    k: Value,
    v: Value,
    { scale, ...others }: AttentionOptions,
  ): Value {
    const { b } = this;
    const { heads: H, keyValueHeads: G, headWidth: K } = at(this.#layouts, layer);
    const [B, T] = [at(q.shape, 0), at(q.shape, 1)];
    const width = cacheWidth(K);
    const flat = (x: Value, heads: number): Value => b.reshape(b.pad(x, 3, 0, width - K), [B, T, heads * width]);
    const past = (part: 'key' | 'value'): Value =>
      b.input(this.#prefix + cacheName('cache', layer, part), 'float32', [B, G, mode.room, width]);
    const [y, presentKey, presentValue] = b.groupQueryAttention(
      flat(q, H),
      flat(k, G),
      flat(v, G),
      past('key'),
      past('value'),
      mode.lastIndex,
      mode.totalLength,
      { heads: H, keyValueHeads: G, scale: scale ?? 1 / Math.sqrt(K), ...others },
    );
    this.presents.set(cacheName('present', layer, 'key'), presentKey);
    this.presents.set(cacheName('present', layer, 'value'), presentValue);
    const mixed = b.slice(b.reshape(y, [B, T, H, width]), 3, 0, K); // [B, T, H, K]
    return b.reshape(mixed, [multiplyDims(B, T), H * K]);
  }
}
