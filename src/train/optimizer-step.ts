// The optimizer over all parameters, in place on the device; large tensors go through in pieces.
import { invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { buildUpdateGraph, gradientName, type Optimizer, optimizeGraph, scalarInputName, stateName, type UpdatedParameter } from '#graph';
import { float32, type HostTensor, sizeOf } from '#tensor';

/**
 * Elements of a piece: the dozen passes that an update makes over it then stay in a core's cache, and its intermediate results
 * take no room worth counting.
 */
const pieceElements = 1 << 18;

/** Name of the tensor in the program for pieces. */
const piece = 'piece';

/** Buffers by their names in the update graph: parameters, gradients and state. */
export type Updated = Readonly<Record<string, DeviceBuffer>>;

interface TrainedTensor extends UpdatedParameter {
  readonly shape: readonly number[];
}

/** The compiled update of one set of parameters. */
export class OptimizerStep {
  readonly #optimizer: Optimizer;
  /** Small tensors, all in one run. */
  readonly #together: Program | undefined;
  readonly #large: readonly TrainedTensor[];
  /** Of any number of elements: with weight decay and without. */
  readonly #pieces: ReadonlyMap<boolean, Program>;

  private constructor(
    optimizer: Optimizer,
    together: Program | undefined,
    large: readonly TrainedTensor[],
    pieces: ReadonlyMap<boolean, Program>,
  ) {
    this.#optimizer = optimizer;
    this.#together = together;
    this.#large = large;
    this.#pieces = pieces;
  }

  /** @param clipNorm - gradients are scaled so that their global norm is at most this */
  static async create(
    engine: Engine,
    tensors: readonly TrainedTensor[],
    optimizer: Optimizer,
    clipNorm: number | undefined,
  ): Promise<OptimizerStep> {
    const isLarge = ({ shape }: TrainedTensor): boolean => sizeOf(shape) > pieceElements;
    const large = tensors.filter(isLarge);
    const small = tensors.filter((tensor) => !isLarge(tensor));
    const compile = (updated: readonly UpdatedParameter[], name: string): Promise<Program> =>
      engine.compile(optimizeGraph(buildUpdateGraph(updated, optimizer, clipNorm, 'given')), { name });
    const made: Program[] = [];
    try {
      const together = small.length === 0 ? undefined : await compile(small, 'update');
      if (together !== undefined) made.push(together);
      const pieces = new Map<boolean, Program>();
      for (const decays of new Set(large.map((tensor) => tensor.decays))) {
        const program = await compile([{ name: piece, shape: ['N'], decays }], 'update-piece');
        made.push(program);
        pieces.set(decays, program);
      }
      return new OptimizerStep(optimizer, together, large, pieces);
    } catch (error) {
      await Promise.all(made.map((program) => program.release()));
      throw error;
    }
  }

  /** Updates parameters and state where they lie. It cannot be stopped midway: a half-updated model is of no use. */
  async run(buffers: Updated, scalars: Readonly<Record<string, number>>): Promise<void> {
    const given = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [scalarInputName(name), float32([], [value])]));
    if (this.#together !== undefined) await runInPlace(this.#together, buffers, given);
    for (const tensor of this.#large) await this.#inPieces(tensor, buffers, given);
  }

  async #inPieces({ name, shape, decays }: TrainedTensor, buffers: Updated, scalars: Readonly<Record<string, HostTensor>>): Promise<void> {
    const program = this.#pieces.get(decays);
    invariant(program !== undefined, `a program for the pieces of ${name} was compiled`);
    const slots = this.#optimizer.stateSlots.map((slot) => [stateName(slot, piece), stateName(slot, name)] as const);
    const names = [[piece, name] as const, [gradientName(piece), gradientName(name)] as const, ...slots];
    const size = sizeOf(shape);
    for (let first = 0; first < size; first += pieceElements) {
      const parts = Object.fromEntries(
        names.map(([inPiece, whole]) => [inPiece, bufferOf(buffers, whole).part(first, Math.min(pieceElements, size - first))]),
      );
      try {
        await runInPlace(program, parts, scalars);
      } finally {
        for (const part of Object.values(parts)) part.release();
      }
    }
  }

  async release(): Promise<void> {
    await Promise.all([this.#together, ...this.#pieces.values()].map((program) => program?.release()));
  }
}

/** Every result goes into the buffer that was read under its name. */
async function runInPlace(program: Program, buffers: Updated, scalars: Readonly<Record<string, HostTensor>>): Promise<void> {
  const inputs = program.inputNames.map((name) => [name, scalars[name] ?? bufferOf(buffers, name)] as const);
  const outputs = program.outputNames.map((name) => [name, bufferOf(buffers, name)] as const);
  await program.run(Object.fromEntries(inputs), { outputs: Object.fromEntries(outputs) });
}

function bufferOf(buffers: Updated, name: string): DeviceBuffer {
  const buffer = buffers[name];
  invariant(buffer !== undefined, `nothing is bound to ${name}`);
  return buffer;
}
