// A compiled graph: a plan for each choice of sizes, runs in the worker, and an end that waits for them.
import { at, invariant } from '#base';
import type { DeviceBuffer, Program, RunOptions } from '#engine';
import { attrsOf, type Graph, type Node, topologicalOrder } from '#graph';
import { evaluateShape, type HostTensor, tensorBytes } from '#tensor';
import { ProgramRuns, type RunBuffers } from '../program-runs.ts';
import { Signature } from '../signature.ts';
import { type BufferPool, TensorflowBuffer } from './buffer.ts';
import { lowerGraph } from './lower.ts';
import type { CellPlace } from './messages.ts';
import { type CarriedTensor, carry } from './tensor-bytes.ts';

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

export class TensorflowProgram implements Program {
  readonly name: string;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #graph: Graph;
  readonly #signature: Signature;
  readonly #pool: BufferPool;
  readonly #newPlan: () => number;
  /** Constants and frozen inputs, by their nodes. */
  readonly #cells: ReadonlyMap<Node, number>;
  /** By sizes, the most recently used last. */
  readonly #plans = new Map<string, KeptPlan>();
  readonly #runs: ProgramRuns;

  constructor({ name, graph, frozen, pool, newPlan, onRelease }: ProgramOptions) {
    this.name = name;
    const own = (buffer: DeviceBuffer) => (buffer instanceof TensorflowBuffer && buffer.isOf(pool) ? buffer : undefined);
    this.#signature = new Signature({ name, graph, frozen, own });
    this.inputNames = this.#signature.inputNames;
    this.outputNames = this.#signature.outputNames;
    this.#graph = graph;
    this.#pool = pool;
    this.#newPlan = newPlan;
    this.#cells = holdFixed(graph, frozen, pool);
    this.#runs = new ProgramRuns(name, () => {
      // Their runs have ended, and so will what follows them in this turn.
      for (const kept of this.#plans.values()) kept.numRuns = 0;
      this.#forgetPlans(0);
      for (const cell of this.#cells.values()) this.#pool.dropCell(cell);
      onRelease(this);
    });
  }

  async run(inputs: Readonly<Record<string, DeviceBuffer | HostTensor>>, options: RunOptions = {}): Promise<Record<string, DeviceBuffer>> {
    this.#runs.checkOpen(options.signal);
    const bindings = this.#signature.checkInputs(inputs);
    this.#signature.checkOutputs(options.outputs ?? {}, bindings);
    const kept = this.#planFor(bindings);
    kept.numRuns++;
    try {
      return await this.#runs.do<TensorflowBuffer, Record<string, DeviceBuffer>>(async (buffers) => {
        const carriers: ArrayBuffer[] = [];
        const operands = this.#signature.inputs.map(({ name }) => this.#operand(inputs[name], buffers, carriers));
        const results = this.#signature.outputs.map(({ name, value }) => {
          const given = options.outputs?.[name];
          if (given !== undefined) return buffers.hold(given as TensorflowBuffer);
          return buffers.holdMade(this.#pool.allocateResult({ dtype: value.dtype, shape: evaluateShape(value.shape, bindings) }));
        });
        const request = { plan: kept.plan, inputs: operands, results: results.map((buffer) => buffer.place) };
        await this.#pool.link.run(request, carriers, `run "${this.name}"`, options.signal);
        return Object.fromEntries(this.#signature.outputs.map(({ name }, index) => [name, at(results, index)]));
      });
    } finally {
      kept.numRuns--;
      this.#forgetPlans(mostPlans);
    }
  }

  release(): Promise<void> {
    return this.#runs.release();
  }

  /** A cell of the worker, or what is carried there for the length of the run. */
  #operand(
    given: DeviceBuffer | HostTensor | undefined,
    buffers: RunBuffers<TensorflowBuffer>,
    carriers: ArrayBuffer[],
  ): CellPlace | CarriedTensor {
    invariant(given !== undefined, 'inputs were checked before');
    if (given instanceof TensorflowBuffer) {
      const { cell, view } = buffers.hold(given).place;
      return { cell, view };
    }
    const carried = carry(given as HostTensor);
    carriers.push(carried.carrier);
    this.#pool.counters.movedToDevice(tensorBytes(given));
    return carried;
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
