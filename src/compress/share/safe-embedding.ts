// Subformer's embedding from a trained table: its best thin factors, with a small layer between them that starts as the identity.
import { AppError, at, invariant } from '#base';
import { denseParameter, type Model, type ModelConfig, materializeParameter, type Parameter, parameterSpecs, tableHeadPath } from '#models';
import { castTensor, type DType, fromNumbers, type HostTensor, hostTensor, isFloat, sizeOf, tensorBytes, toNumbers } from '#tensor';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { plainProblem, relativeError, weightLoss } from '../decomposition/factor-problem.ts';
import { dominantEigen } from '../decomposition/gram-eigen.ts';
import type { FinishedLayer } from '../method.ts';

const tablePath = 'embed.token.weight';
const prefix = 'embed.safe.';

/** Root mean square of every column of the table. */
const tableScale = 0.1;
/** Where the activation is nearly straight: its bias starts here. */
const operatingPoint = 3;

/** Value and slope of each activation at the operating point x. */
const activationAt: { readonly [Name in ModelConfig['activation']]: (x: number) => number } = {
  gelu: (x) => x * normalCdf(x),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(0, x),
};

/**
 * The table W [V, D] ≈ T·P with T [V, e] of columns of one size. The small layer's attention adds nothing at first, and its feed-forward part
 * runs where the activation is almost a straight line, whose slope and offset the widening matrix takes out: tokens become T·P, nearly.
 *
 * @throws AppError `rank_out_of_range` for a width that is not below that of the model
 */
export async function narrowEmbedding(model: Model, config: ModelConfig, matrices: EngineMatrices, seed: number): Promise<FinishedLayer> {
  const table = materializeParameter(model, tablePath);
  const [V, D] = [at(table.shape, 0), at(table.shape, 1)];
  const e = config.embedding?.width ?? D;
  if (e >= Math.min(V, D)) {
    const message = `share.embedding.width: ${e} is not below both sides of the table [${V}, ${D}]. Choose a smaller one.`;
    throw new AppError('rank_out_of_range', message, { details: { field: 'share.embedding.width' } });
  }
  const before = model.parameters.get(tablePath);
  invariant(before !== undefined, 'every model has a token embedding');
  const [stored = 'float32'] = Object.values(before.tensors).map((tensor) => tensor.dtype);
  const dtype = isFloat(stored) ? stored : 'float32';
  const { left, right } = await evenFactors(table, e, matrices, seed);
  const parameters = [...parameterSpecs({ config }).values()].flatMap(({ path, shape }) => {
    const values =
      path === tablePath
        ? left
        : path.startsWith(prefix)
          ? initialValues(path, shape, { right: tensorOf('float64', [e, D], right), dtype, activation: config.activation })
          : undefined;
    // Vectors are few, and the offset must cancel.
    return values === undefined ? [] : [denseParameter(path, tensorOf(shape.length > 1 ? dtype : 'float32', shape, values))];
  });
  const loss = await weightLoss(
    matrices,
    table,
    castTensor(tensorOf(dtype, [V, e], left), 'float32'),
    castTensor(tensorOf(dtype, [e, D], right), 'float32'),
  );
  const bytesOf = (list: readonly Parameter[]): number =>
    list.flatMap(({ tensors }) => Object.values(tensors)).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const layer = {
    path: tablePath,
    kindBefore: before.kind,
    kindAfter: 'safe embedding',
    bytesBefore: bytesOf([before]),
    bytesAfter: bytesOf(parameters),
    weightError: relativeError(loss),
    rank: e,
    note: 'the error is that of the table times the projection; the small layer starts as the identity',
  };
  return { layer, parameters };
}

/** W ≈ left·right with columns of `left` of equal size. */
async function evenFactors(
  table: HostTensor<'float32'>,
  e: number,
  matrices: EngineMatrices,
  seed: number,
): Promise<{ left: Float64Array; right: Float64Array }> {
  const problem = await plainProblem(matrices, table);
  try {
    const factors = await problem.factors(await dominantEigen(matrices, problem.gram, e, seed));
    const [left, right] = [factors.left.slice(), factors.right.slice()];
    const [rows, columns] = [left.length / e, right.length / e];
    for (let k = 0; k < e; k++) {
      let square = 0;
      for (let row = 0; row < rows; row++) square += at(left, row * e + k) ** 2;
      const scale = tableScale / (Math.sqrt(square / rows) || 1);
      for (let row = 0; row < rows; row++) left[row * e + k] = at(left, row * e + k) * scale;
      for (let column = 0; column < columns; column++) right[k * columns + column] = at(right, k * columns + column) / scale;
    }
    return { left, right };
  } finally {
    problem.release();
  }
}

/** What a parameter of the small layer starts with. right [e, D]. */
function initialValues(
  path: string,
  shape: readonly number[],
  { right, dtype, activation }: { readonly right: HostTensor; readonly dtype: DType; readonly activation: ModelConfig['activation'] },
): Float64Array {
  const values = new Float64Array(sizeOf(shape));
  const [e, D] = [at(right.shape, 0), at(right.shape, 1)];
  const projection = Float64Array.from(toNumbers(right), Number);
  const act = activationAt[activation];
  const slope = (act(operatingPoint + 1e-4) - act(operatingPoint - 1e-4)) / 2e-4;
  const widening = Float64Array.from(
    toNumbers(
      tensorOf(
        dtype,
        [e, D],
        projection.map((value) => value / slope),
      ),
    ),
    Number,
  );
  const fill: Readonly<Record<string, () => void>> = {
    'norm.weight': () => values.fill(1),
    // Orthonormal enough to start learning from; what it adds is zero until `attn.out` moves.
    'attn.qkv.weight': () => {
      for (let k = 0; k < e; k++) for (let part = 0; part < 3; part++) values[k * 3 * e + part * e + k] = 1;
    },
    'mlp.fc.weight': () => {
      for (let k = 0; k < e; k++) values[k * e + k] = 1;
    },
    'mlp.fc.bias': () => values.fill(operatingPoint),
    'mlp.proj.weight': () => values.set(widening),
    'mlp.proj.bias': () => {
      for (let k = 0; k < e; k++)
        for (let column = 0; column < D; column++) values[column] = at(values, column) - act(operatingPoint) * at(widening, k * D + column);
    },
    [tableHeadPath.slice(prefix.length)]: () => {
      for (let k = 0; k < e; k++) for (let column = 0; column < D; column++) values[column * e + k] = at(projection, k * D + column);
    },
  };
  fill[path.slice(prefix.length)]?.();
  return values;
}

function tensorOf(dtype: DType, shape: readonly number[], values: Float64Array): HostTensor {
  return hostTensor(dtype, shape, fromNumbers(dtype, values));
}

/** Φ(x) by a series that is exact to float64 for |x| < 5. */
function normalCdf(x: number): number {
  let term = x;
  let sum = x;
  for (let k = 1; k < 100; k++) {
    term *= (x * x) / (2 * k + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
