// The whole lowering table: one row an op; a missing row does not compile.
import type { OpName } from '#graph';
import type { Lowering } from './lowering.ts';
import { attention } from './lowerings/attention.ts';
import { elementwise } from './lowerings/elementwise.ts';
import { movement } from './lowerings/movement.ts';
import { products } from './lowerings/products.ts';
import { quantized } from './lowerings/quantized.ts';
import { reductions } from './lowerings/reductions.ts';

/** `input` and `constant` have no row: their tensors are there before a run begins. */
export const lowerings: { readonly [K in Exclude<OpName, 'input' | 'constant'>]: Lowering<K> } = {
  ...elementwise,
  ...reductions,
  ...products,
  ...attention,
  ...quantized,
  ...movement,
};
