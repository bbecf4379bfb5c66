// Carries out a plan, op by op, and frees every tensor as soon as nothing needs it.
import { at } from '#base';
import type { Binding, TensorId } from './binding.ts';
import type { HeldTensor } from './cells.ts';
import type { Failure } from './messages.ts';
import type { Plan } from './plan.ts';
import { resourceExhausted } from './tensorflow-proto.ts';

/** A stop that was asked for. */
export class Stopped extends Error {}

/**
 * Returns the tensors of the outputs, which are the caller's from then on.
 *
 * @param constants - one for each of the plan's constants
 * @param onStep - called before every op; throws to stop
 */
export function execute(
  binding: Binding,
  plan: Plan,
  constants: readonly TensorId[],
  inputs: readonly HeldTensor[],
  fixed: readonly HeldTensor[],
  onStep: () => void,
): readonly TensorId[] {
  const ids = new Int32Array(plan.numSlots).fill(-1);
  plan.inputs.forEach((slot, index) => {
    ids[slot] = at(inputs, index).id;
  });
  plan.fixed.forEach(({ slot }, index) => {
    ids[slot] = at(fixed, index).id;
  });
  plan.constants.forEach(({ slot }, index) => {
    ids[slot] = at(constants, index);
  });
  const made = new Set<number>();
  try {
    for (const { op, attributes, operands, results, lastUses, place } of plan.steps) {
      onStep();
      const operandIds = operands.map((slot) => ids[slot] ?? -1);
      let tensors: ReturnType<Binding['executeOp']>;
      try {
        tensors = binding.executeOp(op, attributes, operandIds, results.length);
      } catch (error) {
        throw new Error(`${place} (${op}): ${messageOf(error)}`, { cause: error });
      }
      results.forEach((slot, index) => {
        ids[slot] = at(tensors, index).id;
        made.add(slot);
      });
      for (const slot of lastUses) {
        binding.deleteTensor(ids[slot] ?? -1);
        made.delete(slot);
      }
    }
    return plan.outputs.map((slot) => ids[slot] ?? -1);
  } catch (error) {
    for (const slot of made) binding.deleteTensor(ids[slot] ?? -1);
    throw error;
  }
}

/** TensorFlow's words, without the binding's. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/^Invalid TF_Status: \d+\s*Message: /, '');
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Stopped) return { code: 'cancelled', message: 'the run was stopped on request.' };
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const status = /^Invalid TF_Status: (\d+)/.exec(cause instanceof Error ? cause.message : '')?.[1];
  return { code: Number(status) === resourceExhausted ? 'out_of_memory' : 'engine_failure', message: messageOf(error) };
}
