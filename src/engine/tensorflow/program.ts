// A compiled graph: a plan for each choice of sizes, runs in the worker, and an end that waits for them.
import { AppError, at, invariant } from '#base';
import type { DeviceBuffer, Program, RunOptions } from '#engine';
import { attrsOf, type Graph, type Node, topologicalOrder } from '#graph';
import { evaluateShape, type HostTensor, tensorBytes } from '#tensor';
import { Signature } from '../signature.ts';
import { type BufferPool, TensorflowBuffer } from './buffer.ts';
import { lowerGraph } from './lower.ts';
import { carry } from './tensor-bytes.ts';

export interface ProgramOptions {
  readonly name: string;
  readonly graph: Graph;
  readonly frozen: ReadonlyMap<string, HostTensor>;
  readonly pool: BufferPool;
  readonly newPlan: () => number;
  readonly onRelease: (program: TensorflowProgram) => void;
}

/** Plans that a program keeps: serving meets many sizes, and each is cheap to make again. */
const mostPlans = 32;

interface KeptPlan {
  readonly plan: number;
  numRuns: number;
}

/** States: open → closing (runs under way end, new ones are refused) → released. */
export class TensorflowProgram implements Program {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #graph: Graph;
  readonly #signature: Signature;
  readonly #pool: BufferPool;
  readonly #newPlan: () => number;
  readonly #onRelease: (program: TensorflowProgram) => void;
  /** Constants and frozen inputs, by their nodes. */
  readonly #cells: ReadonlyMap<Node, number>;
  /** By sizes, the most recently used last. */
  readonly #plans = new Map<string, KeptPlan>();
  readonly #running = new Set<Promise<void>>();
  #released: Promise<void> | undefined;

  constructor({ name, graph, frozen, pool, newPlan, onRelease }: ProgramOptions) {
    this.name = name;
    const own = (buffer: DeviceBuffer) => (buffer instanceof TensorflowBuffer && buffer.isOf(pool) ? buffer : undefined);
    this.#signature = new Signature({ name, graph, frozen, own });
    this.inputNames = this.#signature.inputNames;
    this.outputNames = this.#signature.outputNames;
    this.#graph = graph;
    this.#pool = pool;
    this.#newPlan = newPlan;
    this.#onRelease = onRelease;
    this.#cells = holdFixed(graph, frozen, pool);
  }

  async run(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>, options: RunOptions = {}): Promise<Record<string, DeviceBuffer>> {
    const place = `run "${this.name}"`;
    invariant(this.#released === undefined, `program "${this.name}" is used after release`);
    if (options.signal?.aborted === true) throw new AppError('cancelled', `${place}: the run was stopped on request.`);
    const bindings = this.#signature.checkInputs(inputs);
    this.#signature.checkOutputs(options.outputs ?? {}, bindings);
    const held: TensorflowBuffer[] = [];
    const made: TensorflowBuffer[] = [];
    const carriers: ArrayBuffer[] = [];
    const hold = (buffer: TensorflowBuffer): TensorflowBuffer => {
      buffer.retain();
      held.push(buffer);
      return buffer;
    };
    const kept = this.#planFor(bindings);
    kept.numRuns++;
    try {
      const operands = this.#signature.inputs.map(({ name }) => {
        const given = inputs[name];
        invariant(given !== undefined, 'inputs were checked before');
        if (given instanceof TensorflowBuffer) {
          const { cell, view } = hold(given).place;
          return { cell, view };
        }
        const carried = carry(given as HostTensor);
        carriers.push(carried.carrier);
        this.#pool.counters.movedToDevice(tensorBytes(given));
        return carried;
      });
      const results = this.#signature.outputs.map(({ name, value }) => {
        const given = options.outputs?.[name];
        if (given !== undefined) return hold(given as TensorflowBuffer);
        const result = this.#pool.allocateResult({ dtype: value.dtype, shape: evaluateShape(value.shape, bindings) });
        made.push(result);
        return hold(result);
      });
      const request = { plan: kept.plan, inputs: operands, results: results.map((buffer) => buffer.place) };
      await this.#track(this.#pool.link.run(request, carriers, place, options.signal));
      return Object.fromEntries(this.#signature.outputs.map(({ name }, index) => [name, at(results, index)]));
    } catch (thrown) {
      for (const buffer of made) buffer.release();
      throw thrown;
    } finally {
      for (const buffer of held) buffer.letGo();
      kept.numRuns--;
      this.#forgetPlans(mostPlans);
    }
  }

  release(): Promise<void> {
    this.#released ??= this.#close();
    return this.#released;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running);
    // Their runs have ended, and so will what follows them in this turn.
    for (const kept of this.#plans.values()) kept.numRuns = 0;
    this.#forgetPlans(0);
    for (const cell of this.#cells.values()) this.#pool.dropCell(cell);
    this.#onRelease(this);
  }

  #planFor(bindings: ReadonlyMap<string, number>): KeptPlan {
    const key = JSON.stringify([...bindings]);
    const known = this.#plans.get(key);
    if (known !== undefined) {
      this.#plans.delete(key);
      this.#plans.set(key, known);
      return known;
    }
    const made = { plan: this.#newPlan(), numRuns: 0 };
    this.#pool.link.send({ kind: 'plan', plan: made.plan, steps: lowerGraph(this.#graph, this.#cells, bindings) });
    this.#plans.set(key, made);
    return made;
  }

  /** Drops the plans least recently used that no run needs, until so many are left. */
  #forgetPlans(most: number): void {
    for (const [key, { plan, numRuns }] of this.#plans) {
      if (this.#plans.size <= most) return;
      if (numRuns > 0) continue;
      this.#plans.delete(key);
      this.#pool.link.send({ kind: 'dropPlan', plan });
    }
  }

  async #track(run: Promise<void>): Promise<void> {
    this.#running.add(run);
    try {
      await run;
    } finally {
      this.#running.delete(run);
    }
  }
}

/** Sends what never changes to the worker, once for all plans. */
function holdFixed(graph: Graph, frozen: ReadonlyMap<string, HostTensor>, pool: BufferPool): ReadonlyMap<Node, number> {
  const cells = new Map<Node, number>();
  const send = (node: Node, tensor: HostTensor): void => {
    const cell = pool.newCell();
    cells.set(node, cell);
    const carried = carry(tensor);
    const { dtype, shape } = carried;
    pool.link.send({ kind: 'write', to: { cell, view: undefined, dtype, shape }, tensor: carried }, [carried.carrier]);
  };
  for (const { name, value } of graph.inputs) {
    const tensor = frozen.get(name);
    if (tensor !== undefined) send(value.node, tensor);
  }
  for (const node of topologicalOrder(graph)) if (node.op === 'constant') send(node, attrsOf(node, 'constant').value);
  return cells;
}
