// Which matrices become sums of how many terms and of which sizes: published layouts, given sizes, or sizes chosen for a ratio.
import { AppError, at } from '#base';
import type { ParameterSpec } from '#models';
import { printShape } from '#tensor';
import { matchesPattern } from '../patterns.ts';
import type { SumShape } from './nearest-sum.ts';
import type { KroneckerSettings, PermuteMode } from './settings.ts';

interface LayoutRow {
  readonly pattern: string;
  readonly terms: number;
  /** [m2, n2] */
  readonly inner: readonly [number, number];
}

interface Layout {
  readonly permute: PermuteMode;
  readonly head: 'tied' | 'untied';
  readonly rows: readonly LayoutRow[];
  /** Only blocks of odd number (from 0) are touched. */
  readonly hasOddBlocksOnly: boolean;
}

const embeddingPattern = 'embed.token.weight';
const into = (name: string, terms: number, inner: readonly [number, number]): LayoutRow => ({
  pattern: `h.*.${name}.weight`,
  terms,
  inner,
});

const layouts: Readonly<Record<Exclude<KroneckerSettings['layout'], 'default'>, Layout>> = {
  // The embedding is halved twice in the release; A ⊗ (1×2) ⊗ (1×2) has the sizes of A ⊗ (1×4) and less freedom.
  tqcompressor: {
    permute: 'all',
    head: 'untied',
    hasOddBlocksOnly: true,
    rows: [
      { pattern: embeddingPattern, terms: 1, inner: [1, 4] },
      ...['mlp.fc', 'mlp.gate', 'mlp.up'].map((name) => into(name, 4, [2, 4])),
      ...['mlp.proj', 'mlp.down'].map((name) => into(name, 4, [4, 2])),
    ],
  },
  kngpt2: {
    permute: 'none',
    head: 'untied',
    hasOddBlocksOnly: true,
    rows: [{ pattern: embeddingPattern, terms: 1, inner: [1, 2] }, into('*', 1, [2, 1])],
  },
};

/** What the settings leave open, filled in for their layout. */
export function resolvedModes({ layout, permute, head }: KroneckerSettings): {
  readonly permute: PermuteMode;
  readonly head: 'tied' | 'untied';
} {
  const published = layout === 'default' ? { permute: 'all' as const, head: 'tied' as const } : layouts[layout];
  return { permute: permute ?? published.permute, head: head ?? published.head };
}

/** The row of a published layout for a matrix, if it has one. */
function layoutRow(name: keyof typeof layouts, spec: ParameterSpec): LayoutRow | undefined {
  const layout = layouts[name];
  if (layout.hasOddBlocksOnly && spec.block !== undefined && spec.block % 2 === 0) return undefined;
  return layout.rows.find(({ pattern }) => matchesPattern(pattern, spec.path));
}

/** Whether the layout says something about this matrix. */
export function isInLayout({ layout }: KroneckerSettings, spec: ParameterSpec): boolean {
  return layout === 'default' || layoutRow(layout, spec) !== undefined;
}

/** What choosing sizes needs to know of a matrix. */
export interface ShapeCase {
  readonly spec: ParameterSpec;
  readonly bytesBefore: number;
  /** Of one stored element of the factors. */
  readonly elementBytes: number;
  /** The side on which units may be reordered for nothing. */
  readonly freeSide: 'rows' | 'columns' | undefined;
}

/** Elements of B for a ratio, in the order in which they are tried: eight fit trained weights best when they may be permuted. */
const innerSizes = [8, 4, 16, 2, 3] as const;
/** A chosen sum may store this share more than the ratio says: B itself and nothing else. */
const slack = 0.005;
/** XᵀX of the inner fit has this order at most. */
const largestInner = 256;

/** @throws AppError `does_not_factor` | `rank_out_of_range` */
export function chooseShape(settings: KroneckerSettings, matrix: ShapeCase): SumShape {
  const { spec } = matrix;
  const { layout, ratio, terms, shape } = settings;
  if (layout !== 'default') {
    const row = layoutRow(layout, spec);
    if (row !== undefined) return checkedShape(spec, row.terms, row.inner);
  }
  if (terms !== undefined && shape !== undefined) return checkedShape(spec, terms, shape);
  return shapeForRatio(matrix, ratio ?? 1);
}

function checkedShape(spec: ParameterSpec, terms: number, [m2, n2]: readonly [number, number]): SumShape {
  const [m, n] = [at(spec.shape, 0), at(spec.shape, 1)];
  const place = `kronecker: ${spec.path} ${printShape(spec.shape)}`;
  const details = { path: spec.path, shape: `${m2}x${n2}` };
  if (m % m2 !== 0 || n % n2 !== 0)
    throw new AppError('does_not_factor', `${place} does not split into blocks ${printShape([m2, n2])}. Choose divisors, or exclude it.`, {
      details,
    });
  if (m2 * n2 > largestInner)
    throw new AppError(
      'does_not_factor',
      `${place}: blocks ${printShape([m2, n2])} have more than ${largestInner} elements. Choose smaller ones.`,
      {
        details,
      },
    );
  const limit = Math.min(m2 * n2, (m / m2) * (n / n2));
  if (terms > limit)
    throw new AppError(
      'rank_out_of_range',
      `${place}: ${terms} terms of blocks ${printShape([m2, n2])} are outside 1..${limit}. Choose fewer.`,
      { details },
    );
  return { terms, m1: m / m2, n1: n / n2, m2, n2 };
}

/**
 * Blocks along one side only, the free one where there is one: then B [m2, 1] or [1, n2] needs R/(m2·n2) of the multiplications, as of the bytes, and
 * no order has to be stored. Of the block sizes that divide the side the first whose terms come within 5 % of the ratio is taken, otherwise the nearest.
 */
function shapeForRatio({ spec, bytesBefore, elementBytes, freeSide }: ShapeCase, ratio: number): SumShape {
  const [m, n] = [at(spec.shape, 0), at(spec.shape, 1)];
  const side = freeSide ?? (spec.role === 'embedding' || n >= m ? 'columns' : 'rows');
  const length = side === 'rows' ? m : n;
  const candidates = innerSizes
    .filter((size) => length % size === 0)
    .map((size): SumShape & { readonly missed: number } => {
      const elements = (m * n) / size + size;
      const budget = (ratio * bytesBefore) / elementBytes;
      const terms = Math.max(1, Math.min(size, (m * n) / size, Math.floor((budget * (1 + slack)) / elements)));
      const inner = side === 'rows' ? { m1: m / size, n1: n, m2: size, n2: 1 } : { m1: m, n1: n / size, m2: 1, n2: size };
      return { terms, ...inner, missed: Math.abs(1 - (terms * elements) / budget) };
    });
  const nearest = Math.min(...candidates.map(({ missed }) => missed));
  const chosen = candidates.find(({ missed }) => missed <= 0.05) ?? candidates.find(({ missed }) => missed === nearest);
  if (chosen === undefined)
    throw new AppError(
      'does_not_factor',
      `kronecker: the ${length} ${side} of ${spec.path} ${printShape(spec.shape)} have none of the divisors ${innerSizes.join(', ')}. Give terms and shape, or exclude it.`,
      { details: { path: spec.path } },
    );
  const { missed: _, ...shape } = chosen;
  return shape;
}
