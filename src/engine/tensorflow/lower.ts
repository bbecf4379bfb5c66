// Lowers a whole graph to a plan, for one choice of sizes.
import { at, invariant } from '#base';
import { type Graph, type Node, opName, topologicalOrder, type Value } from '#graph';
import { type Dim, type DimBindings, evaluateDim, evaluateShape } from '#tensor';
import type { LoweringContext } from './lowering.ts';
import { lowerings } from './lowerings.ts';
import type { Plan, Slot } from './plan.ts';
import { PlanBuilder } from './plan-builder.ts';

type AnyLowering = (operands: readonly Slot[], attrs: object, emit: PlanBuilder, context: LoweringContext) => Slot | readonly Slot[];

/**
 * Inputs of the plan are the graph's without those in `cells`, in order; outputs are the graph's.
 *
 * @param cells - where the tensors of constants and frozen inputs lie, by their nodes
 */
export function lowerGraph(graph: Graph, cells: ReadonlyMap<Node, number>, bindings: DimBindings): Plan {
  const emit = new PlanBuilder();
  const slots = new Map<Node, readonly Slot[]>();
  for (const { value } of graph.inputs) {
    const cell = cells.get(value.node);
    slots.set(value.node, [cell === undefined ? emit.input() : emit.fixed(cell)]);
  }
  const slotOf = ({ node, index }: Value): Slot => {
    const results = slots.get(node);
    invariant(results !== undefined, `${node.op} #${node.id} is used before it is made; is an input missing from the graph?`);
    return at(results, index);
  };
  const size = (dim: Dim): number => evaluateDim(dim, bindings);
  for (const node of topologicalOrder(graph)) {
    if (slots.has(node)) continue;
    const name = opName(node);
    invariant(name !== 'input', `input node #${node.id} is not among the graph's inputs`);
    if (name === 'constant') {
      const cell = cells.get(node);
      invariant(cell !== undefined, `constant #${node.id} has a cell`);
      slots.set(node, [emit.fixed(cell)]);
      continue;
    }
    emit.setPlace(node.place === '' ? node.op : `${node.place}/${node.op}`);
    const shapes = node.operands.map(({ shape }) => evaluateShape(shape, bindings));
    const resultShapes = node.types.map(({ shape }) => evaluateShape(shape, bindings));
    // The table pairs each name with its own operand count and attributes, which the union type of its rows cannot say.
    const lowering = lowerings[name] as AnyLowering;
    const results = lowering(node.operands.map(slotOf), node.attrs, emit, { node, shapes, resultShapes, size });
    slots.set(node, typeof results === 'number' ? [results] : results);
  }
  emit.setPlace('result');
  return emit.finish(graph.outputs.map(({ value }) => slotOf(value)));
}
