// What weights that our kernels read have in common: they are known when a graph is compiled, and padded to whole blocks of columns.
import { invariant } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import { blockColumns } from '../kernels/int8-product.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { cacheLineBytes } from '../native-memory.ts';

export function known(ref: Ref, emit: ModelBuilder): HostTensor {
  const tensor = emit.tensorOf(ref);
  invariant(tensor !== undefined, 'what is packed is known');
  return tensor;
}

/** Bytes from one row of codes to the next: a row begins on a cache line, and rows do not lie a power of two apart. */
export function codeRowBytes(size: number): number {
  return (Math.ceil(size / cacheLineBytes) + 1) * cacheLineBytes;
}

/** One number or one for each column -> float32 [columns of whole blocks], zero behind the last. Nothing stands for zeros. */
export function columnNumbers(ref: Ref | undefined, N: number, emit: ModelBuilder): Ref {
  const columns = Math.ceil(N / blockColumns) * blockColumns;
  const [made] = emit.once(`columns ${ref} ${N}`, () => {
    const values = new Float32Array(columns);
    if (ref !== undefined) {
      const { data } = known(ref, emit);
      for (let n = 0; n < N; n++) values[n] = Number(data.length === 1 ? data[0] : data[n]);
    }
    return [emit.constant(hostTensor('float32', [columns], values))];
  });
  invariant(made !== undefined, 'it is one constant');
  return made;
}
