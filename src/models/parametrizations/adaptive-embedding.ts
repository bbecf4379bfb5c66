// Adaptive embedding: a table in clusters of tokens by frequency, each with a table and a projection of its own width.
import { AppError, at } from '#base';
import type { Value } from '#graph';
import { float32, type HostTensor, printShape, toNumbers } from '#tensor';
import type { ParameterSettings, ParameterSpec } from '../model.ts';
import type { Parametrization, SlotSpec, WeightInGraph } from '../parametrization.ts';

/** One cluster: `size` consecutive places from `start` on, in rows of `width` numbers. */
export interface EmbeddingCluster {
  readonly start: number;
  readonly size: number;
  readonly width: number;
  /** Slots: [size, width] and [width, D]. */
  readonly table: string;
  readonly projection: string;
}

/** The settings of an adaptive embedding, from the sizes and widths of its clusters. */
export function clusterSettings(clusters: readonly Pick<EmbeddingCluster, 'size' | 'width'>[]): ParameterSettings {
  return { sizes: clusters.map(({ size }) => size).join(), widths: clusters.map(({ width }) => width).join() };
}

/**
 * The clusters of an embedding [V, D], from its settings `sizes` and `widths`: whole numbers with commas between.
 *
 * @throws AppError `config_mismatch` where the sizes do not sum to V | `rank_out_of_range` for a width outside 1..min(size, D)
 */
export function embeddingClusters(spec: ParameterSpec, settings: ParameterSettings): readonly EmbeddingCluster[] {
  const [V, D] = [at(spec.shape, 0), at(spec.shape, 1)];
  const sizes = wholeNumbers(spec, settings, 'sizes');
  const widths = wholeNumbers(spec, settings, 'widths');
  const sum = sizes.reduce((total, size) => total + size, 0);
  if (sizes.length !== widths.length || sum !== V)
    throw new AppError(
      'config_mismatch',
      `${spec.path}: adaptiveEmbedding needs one width a cluster and sizes that sum to ${V}, got sizes ${sizes.join()} and widths ${widths.join()}.`,
    );
  let start = 0;
  return sizes.map((size, index) => {
    const width = at(widths, index);
    const limit = Math.min(size, D);
    if (width < 1 || width > limit)
      throw new AppError(
        'rank_out_of_range',
        `${spec.path}: width ${width} of cluster ${index} of ${printShape(spec.shape)}, with ${size} tokens, is outside 1..${limit}.`,
      );
    const cluster = { start, size, width, table: `table${index}`, projection: `projection${index}` };
    start += size;
    return cluster;
  });
}

function wholeNumbers(spec: ParameterSpec, settings: ParameterSettings, name: 'sizes' | 'widths'): number[] {
  const given = settings[name];
  const numbers = typeof given === 'string' && /^\d+(,\d+)*$/.test(given) ? given.split(',').map(Number) : [];
  if (numbers.length > 0 && numbers.every((number) => number > 0)) return numbers;
  throw new AppError(
    'config_mismatch',
    `${spec.path}: adaptiveEmbedding needs a setting "${name}" such as "2000,8000", got ${JSON.stringify(given)}.`,
  );
}

const clustersOf = ({ spec, settings }: Pick<WeightInGraph, 'spec' | 'settings'>): readonly EmbeddingCluster[] =>
  embeddingClusters(spec, settings);

/** int64 [V]: where each token stands in the order of frequency. */
const placesOf = ({ b, slot }: WeightInGraph): Value => b.cast(slot('places'), 'int64');

/** Rows [..., d] of a cluster, zero where the place is in another, so that those give nothing and get no gradient. */
function insideOnly({ b, spec }: WeightInGraph, rows: Value, places: Value, { start, size }: EmbeddingCluster): Value {
  const conditions = [
    ...(start === 0 ? [] : [b.not(b.less(places, start))]),
    ...(start + size === at(spec.shape, 0) ? [] : [b.less(places, start + size)]),
  ];
  return conditions.reduce((kept, condition) => b.mul(kept, b.reshape(b.cast(condition, 'float32'), [...places.shape, 1])), rows);
}

/** W in the order of frequency: the clusters one under the other. */
function orderedRows(weight: WeightInGraph): Value {
  const { b } = weight;
  return b.concat(
    clustersOf(weight).map(({ table, projection }) => weight.product(weight.slot(table), projection)),
    0,
  );
}

const dense = (weight: WeightInGraph): Value => weight.b.gather(orderedRows(weight), placesOf(weight));

/**
 * W[t] = table_i[place(t) − start_i] · projection_i for a token t of cluster i; frequent tokens get wider rows than rare ones.
 *
 * Stored are `table0` [V_0, d_0], `projection0` [d_0, D], and so on, and `places` int32 [V]. A tied head multiplies by the same tables and
 * projections, cluster by cluster.
 *
 * @see A. Baevski, M. Auli, "Adaptive input representations for neural language modeling", ICLR 2019. We differ: the head is one softmax over the
 * logits of all clusters, not a hierarchy of them.
 */
export const adaptiveEmbedding: Parametrization = {
  roles: ['embedding'],

  slots(spec, settings) {
    const [V, D] = [at(spec.shape, 0), at(spec.shape, 1)];
    const slots = embeddingClusters(spec, settings).flatMap(({ size, width, table, projection }): [string, SlotSpec][] => [
      [table, { shape: [size, width], dtype: 'float', trains: true, inputAxis: 1 }],
      [projection, { shape: [width, D], dtype: 'float', trains: true }],
    ]);
    return { ...Object.fromEntries(slots), places: { shape: [V], dtype: 'int32', trains: false } };
  },

  linear: (weight, x) => weight.b.matmul(x, dense(weight)),

  lookup(weight, ids) {
    const { b } = weight;
    const places = b.gather(placesOf(weight), ids);
    return clustersOf(weight)
      .map((cluster) => {
        const local = b.minimum(b.maximum(b.sub(places, cluster.start), 0), cluster.size - 1);
        const rows = insideOnly(weight, weight.rows(cluster.table, local), places, cluster); // [..., d_i]
        return weight.product(rows, cluster.projection);
      })
      .reduce((sum, part) => b.add(sum, part));
  },

  transposed(weight, x) {
    const { b } = weight;
    const parts = clustersOf(weight).map(({ table, projection }) =>
      weight.productTransposed(weight.productTransposed(x, projection), table),
    ); // [..., V_i]
    return b.permuteLast(b.concat(parts, x.shape.length - 1), placesOf(weight));
  },

  dense,

  materialize({ spec, settings, slot }) {
    const D = at(spec.shape, 1);
    const clusters = embeddingClusters(spec, settings);
    const ordered = new Float32Array(at(spec.shape, 0) * D);
    for (const cluster of clusters) ordered.set(clusterRows(slot(cluster.table), slot(cluster.projection)), cluster.start * D);
    const result = new Float32Array(ordered.length);
    for (const [token, place] of toNumbers(slot('places')).entries()) result.set(ordered.subarray(place * D, (place + 1) * D), token * D);
    return float32(spec.shape, result);
  },
};

/** [V_i, d_i] x [d_i, D] with each row summed in float64. */
function clusterRows(table: HostTensor, projection: HostTensor): Float32Array {
  const [rows, inner, columns] = [at(table.shape, 0), at(table.shape, 1), at(projection.shape, 1)];
  const [left, right] = [toNumbers(table), toNumbers(projection)];
  const result = new Float32Array(rows * columns);
  const sums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    sums.fill(0);
    for (let k = 0; k < inner; k++) {
      const factor = left[row * inner + k] ?? 0;
      for (let column = 0; column < columns; column++) sums[column] = (sums[column] ?? 0) + factor * (right[k * columns + column] ?? 0);
    }
    result.set(sums, row * columns);
  }
  return result;
}
