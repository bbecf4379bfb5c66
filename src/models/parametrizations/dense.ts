// Dense: the weight itself, in the one slot `value`.
import { castTensor } from '#tensor';
import type { Parametrization } from '../parametrization.ts';

export const dense: Parametrization = {
  roles: ['linear', 'embedding', 'vector'],
  slots: ({ shape, role }) => ({ value: { shape, dtype: 'float', trains: true, inputAxis: role === 'embedding' ? 1 : 0 } }),
  linear: (weight, x) => weight.product(x, 'value'),
  lookup: (weight, ids) => weight.rows('value', ids),
  transposed: (weight, x) => weight.productTransposed(x, 'value'),
  dense: ({ slot }) => slot('value'),
  materialize: ({ slot }) => castTensor(slot('value'), 'float32'),
};
