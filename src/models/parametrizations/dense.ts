// Dense: the weight itself, in the one slot `value`.
import { castTensor } from '#tensor';
import type { Parametrization } from '../parametrization.ts';

export const dense: Parametrization = {
  roles: ['linear', 'embedding', 'vector'],
  slots: ({ shape }) => ({ value: { shape, dtype: 'float', trains: true } }),
  linear: ({ b, slot }, x) => b.matmul(x, slot('value')),
  lookup: ({ b, slot }, ids) => b.gather(slot('value'), ids),
  transposed: ({ b, slot }, x) => b.matmul(x, slot('value'), { transposeB: true }),
  dense: ({ slot }) => slot('value'),
  materialize: ({ slot }) => castTensor(slot('value'), 'float32'),
};
