// Quantization-aware training as a training scheme: weights and layer inputs are rounded forward, and gradients pass straight through.
import { invariant } from '#base';
import type { Emitter, Value } from '#graph';
import { type Model, type NetworkChanges, parameterSpecs } from '#models';
import { float32, hostTensor } from '#tensor';
import type { SchemeTensor, TrainingScheme } from '#train';
import { blend } from '../straight-through.ts';
import { dynamicInput, learnedInput, tokenInput } from './activations.ts';
import { initialSteps, type QatPlan, type SlotPlan, slotOf } from './plan.ts';
import { codeSlot, signedRange } from './rounding.ts';

/** The grid of a layer's inputs before it trains. */
export interface InitialInput {
  readonly step: number;
  /** The code that stands for zero: 0 where inputs are never negative, else 128. */
  readonly zeroPoint: number;
}

export interface QatSchemeOptions {
  /** Steps until rounding is whole: λ = min(step/lambdaSteps, 1). 0 for rounding from the first step on. */
  readonly lambdaSteps: number;
  /** Of inputs with steps that train, by the path where the weight is stored. */
  readonly inputs: ReadonlyMap<string, InitialInput>;
}

const lambdaName = 'lambda';

/** Name of the tensor of a slot's learned steps, [G, 1, N] or [N, G, 1]. */
export const stepName = (stored: string): string => `step:${stored}`;
/** Name of the tensor of a layer's learned input step, [1]. */
export const inputStepName = (path: string): string => `inputStep:${path}`;

/** λ of a step, counted from 1. */
export function lambdaAt(step: number, lambdaSteps: number): number {
  return lambdaSteps === 0 ? 1 : Math.min(step / lambdaSteps, 1);
}

/** @param model - the model that training begins with: learned steps start at 2·mean|w|/√Qp of its weights */
export function qatScheme(model: Model, plan: QatPlan, options: QatSchemeOptions): TrainingScheme {
  const { lambdaSteps, inputs } = options;
  const planned = new Map(plan.slots.map((slot) => [slot.stored, slot]));
  return {
    name: 'qat',
    tensors: [...stepTensors(model, plan), ...inputStepTensors(inputs)],
    network: (scheme) => {
      const share = lambdaSteps === 0 ? undefined : scheme.input(lambdaName, 'float32', []);
      return changes(scheme.b, plan, planned, { inputs, share, tensor: scheme.tensor });
    },
    ...(lambdaSteps === 0
      ? {}
      : {
          step: (step: number) => ({ inputs: { [lambdaName]: hostTensor('float32', [], Float32Array.of(lambdaAt(step, lambdaSteps))) } }),
        }),
  };
}

interface ChangesOptions {
  readonly inputs: QatSchemeOptions['inputs'];
  /** λ, where rounding sets in step by step. */
  readonly share: Value | undefined;
  tensor(this: void, name: string): Value;
}

/** What the network computes with rounded weights and inputs. */
function changes(
  b: Emitter,
  plan: QatPlan,
  planned: ReadonlyMap<string, SlotPlan>,
  { inputs, share, tensor }: ChangesOptions,
): NetworkChanges {
  const mixed = (exact: Value, rounded: Value): Value => (share === undefined ? rounded : blend(b, exact, rounded, share));
  return {
    stored: (name, value) => {
      const slot = planned.get(name);
      if (slot === undefined) return value;
      const step = slot.codes.kind === 'learned' ? tensor(stepName(name)) : undefined;
      return mixed(value, codeSlot(b, value, slot.groups, slot.codes, step).values);
    },
    linear: (path, x, plain) => {
      const [rounds, owner] = plan.inputs.get(path) ?? [];
      if (rounds === undefined || owner === undefined) return plain(x);
      if (rounds === 'token') return plain(mixed(x, tokenInput(b, x)));
      if (rounds === 'dynamic') return plain(mixed(x, dynamicInput(b, x)));
      const initial = inputs.get(owner);
      invariant(initial !== undefined, `the inputs of ${owner} have a grid`);
      return plain(mixed(x, learnedInput(b, x, tensor(inputStepName(owner)), initial.zeroPoint)));
    },
  };
}

/** Steps move as far, relative to their size, as weights do: by 2/√Qp of what those move. */
function stepTensors(model: Model, { slots }: QatPlan): SchemeTensor[] {
  const specs = parameterSpecs(model);
  return slots.flatMap((plan) => {
    const { codes, groups, stored } = plan;
    if (codes.kind !== 'learned') return [];
    const initial = initialSteps(slotOf(model, specs, plan), groups, codes.bits);
    return [{ name: stepName(stored), initial, learningRateFactor: 2 / Math.sqrt(signedRange(codes.bits).most) }];
  });
}

/** Inputs are of the order of 1, weights far smaller: steps of inputs move no faster than the weights. */
function inputStepTensors(inputs: QatSchemeOptions['inputs']): SchemeTensor[] {
  return [...inputs].map(([path, { step }]) => ({ name: inputStepName(path), initial: float32([1], [step]) }));
}
