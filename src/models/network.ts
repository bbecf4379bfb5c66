// The network that architectures write to: parameters become graph inputs, and attention is plain or works on a cache.
import { AppError, at, invariant } from '#base';
import type { Emitter, Value } from '#graph';
import { type Dim, type DType, multiplyDims, type Shape } from '#tensor';
import type { HeadLayout, Network } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { causalAttention, causalBias } from './attention.ts';
import { EncodedValue, slotEncoding } from './encoded-slots.ts';
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
  /** All of the sequence is in this step; differentiable. `keyMask` bool [B, T] is true for real tokens. */
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
  /** Put before the names of the parameters' inputs, so that two models can stand in one graph; for example `teacher/`. */
  readonly prefix?: string;
}

/** Name of the cache input or of the cache output (`present`) of one layer. */
export function cacheName(kind: 'cache' | 'present', layer: number, part: 'key' | 'value'): string {
  return `${kind}.${layer}.${part}`;
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
  /** The parameters' inputs by stored name (without the prefix), in the order of their first use. */
  readonly parameterInputs = new Map<string, Value>();
  /** The extended caches by output name `present.{layer}.key` and `.value`; empty without a cache. */
  readonly presents = new Map<string, Value>();
  /** What each linear layer was applied to, rows [N, in], by the path of its weight: for calibration. */
  readonly linearInputs = new Map<string, Value>();
  readonly taps = new Map<string, Value>();
  readonly #model: ModelDeclaration;
  readonly #specs: ReadonlyMap<string, ParameterSpec>;
  readonly #layout: HeadLayout;
  readonly #attention: AttentionMode;
  readonly #prefix: string;
  #bias: Value | undefined;

  constructor(b: NetworkBuilder, model: ModelDeclaration, options: NetworkOptions) {
    this.b = b;
    this.positions = options.positions;
    this.#model = model;
    this.#specs = parameterSpecs(model);
    this.#layout = architectureOf(model.config).heads(model.config);
    this.#attention = options.attention;
    this.#prefix = options.prefix ?? '';
    this.positionLimit = options.positionLimit ?? model.config.maxPositions;
  }

  /** tokens int64 [B, T] -> rows [B*T, D] after the last norm. */
  hidden(tokens: Value): Value {
    const { config } = this.#model;
    return architectureOf(config).hidden(config, this, tokens);
  }

  /** hidden [..., D] -> logits [..., V] */
  logits(hidden: Value): Value {
    const { config } = this.#model;
    return architectureOf(config).logits(config, this, hidden);
  }

  at<T>(place: string, build: () => T): T {
    return this.b.at(place, build);
  }

  linear(path: string, x: Value): Value {
    const weightPath = `${path}.weight`;
    const biasPath = `${path}.bias`;
    this.linearInputs.set(weightPath, x);
    const y = this.weight(weightPath).linear(x);
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

  attend(layer: number, q: Value, k: Value, v: Value): Value {
    if (this.#attention.kind === 'cached') return this.#attendToCache(this.#attention, layer, q, k, v);
    this.#bias ??= causalBias(this.b, at(q.shape, 1), this.#attention.keyMask);
    return causalAttention(this.b, q, k, v, this.#bias, this.#layout);
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
    const encoded = (name: string): EncodedValue | undefined => {
      const encoding = slotEncoding(parameter, name);
      return encoding === undefined ? undefined : new EncodedValue(b, name, slotSpec(name), encoding, stored);
    };
    return {
      b,
      spec,
      settings,
      slot: (name) => encoded(name)?.dense() ?? stored(name),
      product: (x, name) => encoded(name)?.product(x) ?? b.matmul(x, stored(name)),
      productTransposed: (x, name) => encoded(name)?.productTransposed(x) ?? b.matmul(x, stored(name), { transposeB: true }),
      rows: (name, ids) => encoded(name)?.rows(ids) ?? b.gather(stored(name), ids),
      other: (other) => this.weight(other),
    };
  }

  #parameterInput(name: string, dtype: DType, shape: Shape): Value {
    const known = this.parameterInputs.get(name);
    if (known !== undefined) return known;
    const made = this.b.input(this.#prefix + name, dtype, shape);
    this.parameterInputs.set(name, made);
    return made;
  }

  #attendToCache(mode: Extract<AttentionMode, { kind: 'cached' }>, layer: number, q: Value, k: Value, v: Value): Value {
    const { b } = this;
    const { heads: H, keyValueHeads: G, headWidth: K } = this.#layout;
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
      { heads: H, keyValueHeads: G, scale: 1 / Math.sqrt(K) },
    );
    this.presents.set(cacheName('present', layer, 'key'), presentKey);
    this.presents.set(cacheName('present', layer, 'value'), presentValue);
    const mixed = b.slice(b.reshape(y, [B, T, H, width]), 3, 0, K); // [B, T, H, K]
    return b.reshape(mixed, [multiplyDims(B, T), H * K]);
  }
}
