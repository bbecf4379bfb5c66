// Products of 16-bit floats on ONNX Runtime: what the probe finds, what it would notice, and what is emitted for each finding.
import { describe, expect, it } from 'vitest';
import { createOnnxEngine } from '#engine/onnx';
import { type Graph, GraphBuilder } from '#graph';
import { narrowFloats } from '#tensor';
import { ortEnvironment } from '../../../../src/engine/onnx/environment.ts';
import { lowerGraph } from '../../../../src/engine/onnx/lower.ts';
import type { NarrowProducts } from '../../../../src/engine/onnx/lowering.ts';
import { isRounded, probeProducts } from '../../../../src/engine/onnx/product-probe.ts';

const transposed = (dtype: 'float16' | 'bfloat16'): Graph => {
  const b = new GraphBuilder();
  const [x, w] = [b.input('x', dtype, [2, 3]), b.input('w', dtype, [4, 3])];
  return b.graph({ y: b.matmul(x, w, { transposeB: true, scale: 0.5 }) });
};
const operators = (graph: Graph, narrowProducts: NarrowProducts, portable = false): string[] =>
  lowerGraph(graph, { name: 'narrow', frozen: new Map(), portable, narrowProducts }).nodes.map(({ opType }) => opType);

describe('products of 16-bit floats', () => {
  it('have no kernels of their own on the CPU, where the runtime would leave out the rounding', async () => {
    expect(await probeProducts(ortEnvironment(), { kind: 'cpu', index: 0 })).toEqual(new Map());
    const engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
    expect(engine.nativeProducts).toEqual([]);
    await engine.dispose();
  });

  it('would be seen to keep bits that they should have rounded, or to add in 16 bits', () => {
    expect(isRounded([4224, 2, 256], 'float16')).toBe(true);
    expect(isRounded([640, 2, 256], 'bfloat16')).toBe(true);
    // Computed in float32 without rounding; operands that were not rounded; sums in 16 bits.
    expect(isRounded([4226.00048828125, 2.00048828125, 256], 'float16')).toBe(false);
    expect(isRounded([4228, 2, 256], 'float16')).toBe(false);
    expect(isRounded([4096, 2, 256], 'float16')).toBe(false);
    expect(isRounded([512, 2, 256], 'bfloat16')).toBe(false);
    expect(isRounded([], 'bfloat16')).toBe(false);
  });

  it.each(narrowFloats)('of %s are computed in float32 between casts where there is no kernel', (dtype) => {
    expect(operators(transposed(dtype), new Map())).toEqual(['Cast', 'Cast', 'FusedMatMul', 'Cast']);
  });

  it.each(narrowFloats)('of %s take the kernel that the probe found, and published operators in files for others', (dtype) => {
    expect(operators(transposed(dtype), new Map([[dtype, 'fused']]))).toEqual(['FusedMatMul']);
    expect(operators(transposed(dtype), new Map([[dtype, 'plain']]))).toEqual(['Transpose', 'MatMul', 'Mul']);
    expect(operators(transposed(dtype), new Map(), true)).toEqual(['Transpose', 'MatMul', 'Mul']);
  });
});
