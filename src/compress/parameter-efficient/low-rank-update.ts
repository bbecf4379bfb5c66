// Low-rank updates beside frozen matrices: what trains, what it adds in the graph, and the matrices that it becomes part of.
import { AppError, at, Random } from '#base';
import { keptCount, type Model, type Parameter, type ParameterSpec, sharedOwner } from '#models';
import { castTensor, float32, type HostTensor, hostTensor, toNumbers } from '#tensor';
import type { TrainingScheme } from '#train';
import { type PathPatterns, selectMatrices } from '../patterns.ts';

export interface UpdateSettings extends PathPatterns {
  /** r */
  readonly rank: number;
  /** α */
  readonly alpha: number;
}

/** Names of the two factors of the update of one matrix, A [in, r] and B [r, out]. */
function factorNames(path: string): { readonly a: string; readonly b: string } {
  return { a: `${path}.lora.a`, b: `${path}.lora.b` };
}

/**
 * The matrices to update.
 *
 * @throws AppError `pattern_matches_nothing` | `already_quantized` | `rank_out_of_range` | `unsupported` for a matrix in factors or with zeros, which the sum
 * with a product would not be
 */
export function updatedMatrices(model: Model, settings: UpdateSettings): ParameterSpec[] {
  const selected = selectMatrices(model, settings).filter(({ role }) => role === 'linear');
  if (selected.length === 0)
    throw new AppError('pattern_matches_nothing', 'lora: the patterns name no linear matrix. Embeddings take no product beside them.');
  for (const { path, shape } of selected) {
    const parameter = model.parameters.get(path);
    const isPlain = parameter?.kind === 'dense' && keptCount(parameter, 'value') === undefined;
    if (!isPlain)
      throw new AppError(
        'unsupported',
        `lora: ${path} is stored ${parameter?.kind === 'dense' ? 'with a bitmap of what is not zero' : `as ${parameter?.kind ?? 'nothing'}`}, which its sum with a low-rank product would not be. Run lora before that step, or exclude the matrix.`,
        { details: { path } },
      );
    const smaller = Math.min(...shape);
    if (settings.rank > smaller)
      throw new AppError('rank_out_of_range', `lora.rank: ${settings.rank} is above the smaller side ${smaller} of ${path}.`, {
        details: { field: 'lora.rank', path },
      });
  }
  return selected;
}

/**
 * y = x·W + (α/r)·x·A·B beside every chosen matrix, A random and B zero at first, so that the model begins as it is.
 *
 * @see Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, §4.1; A as in its code, uniform in ±1/√in
 */
export function lowRankUpdates(
  model: Model,
  matrices: readonly ParameterSpec[],
  { rank, alpha }: UpdateSettings,
  seed: number,
): TrainingScheme {
  const random = new Random(seed);
  const updated = new Set(matrices.map(({ path }) => path));
  const tensors = matrices.flatMap(({ path, shape }) => {
    const [rows, columns] = [at(shape, 0), at(shape, 1)];
    const names = factorNames(path);
    const first = Float32Array.from({ length: rows * rank }, () => (2 * random.uniform() - 1) / Math.sqrt(rows));
    return [
      { name: names.a, initial: float32([rows, rank], first), decays: true },
      { name: names.b, initial: float32([rank, columns], new Float32Array(rank * columns)), decays: true },
    ];
  });
  // A matrix that several layers share has one update, where it is stored.
  const owners = new Map(
    [...model.parameters.values()].flatMap((parameter) => {
      const owner = sharedOwner(parameter);
      return owner === undefined ? [] : [[parameter.path, owner] as const];
    }),
  );
  return {
    name: 'lora',
    tensors,
    network: ({ b, tensor }) => ({
      linear: (path, x, plain) => {
        const owner = owners.get(path) ?? path;
        if (!updated.has(owner)) return plain(x);
        const names = factorNames(owner);
        const product = b.matmul(b.matmul(x, tensor(names.a)), tensor(names.b));
        return b.add(plain(x), b.mul(product, alpha / rank));
      },
    }),
  };
}

/** W + (α/r)·A·B in place of every updated matrix, in the element type that it has. */
export function merged(
  model: Model,
  matrices: readonly ParameterSpec[],
  { rank, alpha }: UpdateSettings,
  factors: ReadonlyMap<string, HostTensor<'float32'>>,
): Parameter[] {
  return matrices.flatMap(({ path, shape }) => {
    const parameter = model.parameters.get(path);
    const value = parameter?.tensors['value'];
    const names = factorNames(path);
    const [a, b] = [factors.get(names.a), factors.get(names.b)];
    // A matrix that no batch reached has no factors that trained.
    if (parameter === undefined || value === undefined || a === undefined || b === undefined) return [];
    const [rows, columns] = [at(shape, 0), at(shape, 1)];
    const sum = Float32Array.from(toNumbers(value));
    const line = new Float64Array(columns);
    for (let row = 0; row < rows; row++) {
      line.fill(0);
      for (let inner = 0; inner < rank; inner++) {
        const factor = at(a.data, row * rank + inner) * (alpha / rank);
        for (let column = 0; column < columns; column++) line[column] = at(line, column) + factor * at(b.data, inner * columns + column);
      }
      for (let column = 0; column < columns; column++) sum[row * columns + column] = at(sum, row * columns + column) + at(line, column);
    }
    return [{ ...parameter, tensors: { value: castTensor(hostTensor('float32', shape, sum), value.dtype) } }];
  });
}
