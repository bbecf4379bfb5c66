// The whole lowering table: one row an op; a missing row does not compile.
import type { OpName } from '#graph';
import type { Lowering } from './lowering.ts';
import { elementwise } from './lowerings/elementwise.ts';
import { int8 } from './lowerings/int8.ts';
import { int8Attention } from './lowerings/int8-attention.ts';
import { movement } from './lowerings/movement.ts';
import { products } from './lowerings/products.ts';
import { quantized } from './lowerings/quantized.ts';
import { reductions } from './lowerings/reductions.ts';
import { rounded } from './lowerings/rounded.ts';

/** `input` has no row: the driver declares inputs before anything else. */
export const lowerings: { readonly [K in Exclude<OpName, 'input'>]: Lowering<K> } = {
  ...elementwise,
  ...reductions,
  ...products,
  ...quantized,
  ...int8,
  ...int8Attention,
  ...rounded,
  ...movement,
};
