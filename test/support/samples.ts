// Fills the operands of op samples, deterministically.

import type { Random } from '#base';
import type { SampleOperand } from '#graph';
import { fromNumbers, type HostTensor, hostTensor, sizeOf } from '#tensor';

/** A tensor for one sample operand. Float values stay clear of ties and of zero, where step functions jump. */
export function fillOperand(operand: SampleOperand, random: Random): HostTensor {
  const draw: Record<NonNullable<SampleOperand['fill']>, (index: number) => number> = {
    normal: () => random.normal(),
    positive: () => 0.5 + 1.5 * random.uniform(),
    index: () => random.integer(operand.bound ?? 1),
    values: (index) => operand.values?.[index] ?? 0,
  };
  const fill = draw[operand.fill ?? 'normal'];
  const numbers = Float64Array.from({ length: sizeOf(operand.shape) }, (_, index) => fill(index));
  return hostTensor(operand.dtype, operand.shape, fromNumbers(operand.dtype, numbers));
}
