// Sum: W = first + second, two matrices of W's own shape, for example two of binary codes that stand for one of ternary ones.
import type { Value } from '#graph';
import { castTensor, float32 } from '#tensor';
import { roundsInputs } from '../encoded-slots.ts';
import type { Parametrization, SlotSpec, WeightInGraph } from '../parametrization.ts';

export const sum: Parametrization = {
  roles: ['linear', 'embedding'],
  slots: ({ shape, role }) => {
    const slot: SlotSpec = { shape, dtype: 'float', trains: true, inputAxis: role === 'embedding' ? 1 : 0 };
    return { first: slot, second: slot };
  },
  // Two products cost twice what one does; but only codes know that their inputs are rounded.
  isSlowerThanDense: (_spec, settings) => !roundsInputs({ settings }),
  linear: (weight, x) => ofBoth(weight, (slot) => weight.product(x, slot)),
  lookup: (weight, ids) => ofBoth(weight, (slot) => weight.rows(slot, ids)),
  transposed: (weight, x) => ofBoth(weight, (slot) => weight.productTransposed(x, slot)),
  dense: (weight) => ofBoth(weight, (slot) => weight.slot(slot)),
  materialize: ({ spec, slot }) => {
    const [first, second] = [castTensor(slot('first'), 'float32').data, castTensor(slot('second'), 'float32').data];
    return float32(
      spec.shape,
      first.map((value, index) => value + (second[index] ?? 0)),
    );
  },
};

function ofBoth({ b }: WeightInGraph, part: (slot: string) => Value): Value {
  return b.add(part('first'), part('second'));
}
