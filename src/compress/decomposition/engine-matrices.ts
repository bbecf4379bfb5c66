// Matrix arithmetic in float64 on an engine: a few small programs with symbolic sizes, compiled when first used.
import { invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { GraphBuilder, type Value } from '#graph';
import { type HostTensor, hostTensor } from '#tensor';

/** Every program has the one output `result`. Sizes are symbols, so one program serves all matrices. */
const recipes = {
  /** x float32 [M, N] -> float64 */
  widen: (b: GraphBuilder) => b.cast(b.input('x', 'float32', ['M', 'N']), 'float64'),
  /** x [M, K] · y [K, N] */
  product: (b: GraphBuilder) => b.matmul(wide(b, 'x', 'M', 'K'), wide(b, 'y', 'K', 'N')),
  /** xᵀ·y for x [K, M], y [K, N] */
  productOfTransposed: (b: GraphBuilder) => b.matmul(wide(b, 'x', 'K', 'M'), wide(b, 'y', 'K', 'N'), { transposeA: true }),
  /** x·yᵀ for x [M, K], y [N, K] */
  productByTransposed: (b: GraphBuilder) => b.matmul(wide(b, 'x', 'M', 'K'), wide(b, 'y', 'N', 'K'), { transposeB: true }),
  /** x·xᵀ for x [M, K] */
  outerGram: (b: GraphBuilder) => {
    const x = wide(b, 'x', 'M', 'K');
    return b.matmul(x, x, { transposeB: true });
  },
  /** sum + xᵀ·x for x [N, K], sum [K, K] */
  addInnerGram: (b: GraphBuilder) => {
    const x = wide(b, 'x', 'N', 'K');
    return b.add(wide(b, 'sum', 'K', 'K'), b.matmul(x, x, { transposeA: true }));
  },
  /** scale·z − q: the first Chebyshev polynomial, from z = G·q */
  firstChebyshev: (b: GraphBuilder) => b.sub(b.mul(wide(b, 'z', 'M', 'N'), b.input('scale', 'float64', [])), wide(b, 'q', 'M', 'N')),
  /** scale·gram − 2·identity: what the recurrence below multiplies by */
  shiftedGram: (b: GraphBuilder) =>
    b.sub(b.mul(wide(b, 'gram', 'M', 'M'), b.input('scale', 'float64', [])), b.mul(wide(b, 'identity', 'M', 'M'), 2)),
  /** shifted·y − before: the three-term recurrence of Chebyshev polynomials */
  nextChebyshev: (b: GraphBuilder) => b.sub(b.matmul(wide(b, 'shifted', 'M', 'M'), wide(b, 'y', 'M', 'N')), wide(b, 'before', 'M', 'N')),
  /** Σ over rows of (z − q·values)² -> [N] */
  residuals: (b: GraphBuilder) => {
    const difference = b.sub(wide(b, 'z', 'M', 'N'), b.mul(wide(b, 'q', 'M', 'N'), b.input('values', 'float64', ['N'])));
    return b.reduceSum(b.mul(difference, difference), [0]);
  },
  /** x − left·right */
  difference: (b: GraphBuilder) => b.sub(wide(b, 'x', 'M', 'N'), b.matmul(wide(b, 'left', 'M', 'K'), wide(b, 'right', 'K', 'N'))),
  /** x·yᵀ in float32 for x [M, K], y [N, K]: how well rows fit rows */
  rowScores: (b: GraphBuilder) => b.matmul(b.input('x', 'float32', ['M', 'K']), b.input('y', 'float32', ['N', 'K']), { transposeB: true }),
  /** xᵀ·y in float32 for x [K, M], y [K, N]: how well columns fit columns */
  columnScores: (b: GraphBuilder) =>
    b.matmul(b.input('x', 'float32', ['K', 'M']), b.input('y', 'float32', ['K', 'N']), { transposeA: true }),
  /** Σ x∘y -> scalar */
  innerProduct: (b: GraphBuilder) => b.reduceSum(b.mul(wide(b, 'x', 'M', 'N'), wide(b, 'y', 'M', 'N')), [0, 1]),
} satisfies Readonly<Record<string, (b: GraphBuilder) => Value>>;

export type MatrixOperation = keyof typeof recipes;
export type MatrixOperand = DeviceBuffer | HostTensor;

function wide(b: GraphBuilder, name: string, rows: string, columns: string): Value {
  return b.input(name, 'float64', [rows, columns]);
}

/** Released buffers are forgotten when this many are known. */
const pruneAt = 64;

/**
 * Compiled matrix programs on one engine. The caller releases the buffers that it gets as soon as it can, and this object at the end: that
 * frees also what a failure or a cancellation left behind.
 */
export class EngineMatrices {
  readonly #engine: Engine;
  readonly #signal: AbortSignal;
  readonly #programs = new Map<MatrixOperation, Promise<Program>>();
  readonly #buffers = new Set<DeviceBuffer>();

  constructor(engine: Engine, signal: AbortSignal) {
    this.#engine = engine;
    this.#signal = signal;
  }

  /** The signal that every run and every host computation beside it obeys. */
  get signal(): AbortSignal {
    return this.#signal;
  }

  /** Runs one operation; operands are named as in the table above. @throws AppError `cancelled` */
  async run(operation: MatrixOperation, operands: Readonly<Record<string, MatrixOperand>>): Promise<DeviceBuffer> {
    const program = await this.#program(operation);
    const { result } = await program.run(operands, { signal: this.#signal });
    invariant(result !== undefined, `matrix program ${operation} gave no result`);
    return this.#kept(result);
  }

  /** The same, read to the host. */
  async runToHost(operation: MatrixOperation, operands: Readonly<Record<string, MatrixOperand>>): Promise<Float64Array> {
    const buffer = await this.run(operation, operands);
    try {
      return readNumbers(buffer);
    } finally {
      buffer.release();
    }
  }

  upload(rows: number, columns: number, data: Float64Array): DeviceBuffer {
    return this.#kept(this.#engine.upload(hostTensor('float64', [rows, columns], data)));
  }

  uploadTensor(tensor: HostTensor): DeviceBuffer {
    return this.#kept(this.#engine.upload(tensor));
  }

  /** Zeros, float64. */
  zeros(rows: number, columns: number): DeviceBuffer {
    return this.#kept(this.#engine.allocate({ dtype: 'float64', shape: [rows, columns] }));
  }

  async release(): Promise<void> {
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    for (const program of await Promise.allSettled(programs)) if (program.status === 'fulfilled') await program.value.release();
    for (const buffer of this.#buffers) buffer.release();
    this.#buffers.clear();
  }

  #kept(buffer: DeviceBuffer): DeviceBuffer {
    if (this.#buffers.size >= pruneAt) for (const known of this.#buffers) if (known.isReleased) this.#buffers.delete(known);
    this.#buffers.add(buffer);
    return buffer;
  }

  #program(operation: MatrixOperation): Promise<Program> {
    const known = this.#programs.get(operation);
    if (known !== undefined) return known;
    const b = new GraphBuilder();
    const program = this.#engine.compile(b.graph({ result: recipes[operation](b) }), { name: `matrix ${operation}` });
    this.#programs.set(operation, program);
    return program;
  }
}

/** Copies a float64 buffer to the host. */
export function readNumbers(buffer: DeviceBuffer): Float64Array {
  const { data } = buffer.read();
  invariant(data instanceof Float64Array, `expected a float64 buffer, got ${buffer.dtype}`);
  return data;
}

/** A float64 scalar as an operand. */
export function scalarOperand(value: number): HostTensor<'float64'> {
  return hostTensor('float64', [], Float64Array.of(value));
}

/** Runs `use` and releases the buffers afterwards, whatever happens. */
export async function withBuffers<T>(buffers: readonly DeviceBuffer[], use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    for (const buffer of buffers) buffer.release();
  }
}
