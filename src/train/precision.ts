// In which floats the matrix products of a training are computed.
import type { Engine } from '#engine';
import { type NarrowFloat, narrowFloats } from '#tensor';
import type { Products } from './products.ts';

export const precisions = ['auto', 'float32', ...narrowFloats] as const;

/**
 * `float16` has a loss scale and `bfloat16` needs none; weights, gradients, the optimizer and all that is no product keep float32. `auto`: bfloat16 where
 * the device has kernels for it, else float32.
 */
export type Precision = (typeof precisions)[number];

/** What a training says of its products. */
interface ProductSettings {
  readonly precision: Precision;
  readonly products?: Products | undefined;
}

const areRounded = (products: Products | undefined): boolean => products !== undefined && products !== 'float32';

/** Whether both may stand together: what is multiplied in 8-bit integers comes from float32, and goes back to it. */
export function fitTogether({ precision, products }: ProductSettings): boolean {
  return !areRounded(products) || precision === 'auto' || precision === 'float32';
}

/** What products take and give on a device. Beside products of 8-bit integers `auto` leaves the others in float32. */
export function precisionOn(
  { nativeProducts }: Pick<Engine, 'nativeProducts'>,
  { precision, products }: ProductSettings,
): 'float32' | NarrowFloat {
  if (precision !== 'auto') return precision;
  return !areRounded(products) && nativeProducts.includes('bfloat16') ? 'bfloat16' : 'float32';
}
