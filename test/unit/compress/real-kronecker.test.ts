// Kronecker sums of trained weights: the expected order of the ways to make them, against a truncated SVD of the same size.
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { at } from '#base';
import { SvdSolver } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { describeWithShared } from '#test/shared';
import { readTensor } from '#test/tensor-file';
import { EngineMatrices } from '../../../src/compress/decomposition/engine-matrices.ts';
import { type SearchKind, searchPermutations } from '../../../src/compress/kronecker/permutation-search.ts';

const wiki = 'models/wiki-gpt2-7m/model.safetensors';
const gpt2 = 'models/gpt2-124m-partial/gpt2-124m-layers-0-5-11-attention.safetensors';

describeWithShared(
  'Kronecker sums of trained weights at half the size',
  (shared) => {
    let engine: Engine;
    afterAll(() => engine?.dispose());

    const cases: [string, string, number, [number, number]][] = [
      [wiki, 'transformer.h.3.mlp.c_fc.weight', 4, [2, 4]],
      [wiki, 'transformer.h.3.mlp.c_proj.weight', 4, [4, 2]],
      [gpt2, 'h.5.attn.c_proj.weight', 4, [1, 8]],
    ];
    for (const [file, name, terms, [m2, n2]] of cases) {
      it(`fits ${name} better with permutations, best by rank continuation, and an SVD fits better still`, async () => {
        engine ??= await createOnnxEngine();
        const { signal } = new AbortController();
        const matrices = new EngineMatrices(engine, signal);
        const solver = new SvdSolver(engine, signal);
        const weight = readTensor(join(shared, file), name);
        const [m, n] = [at(weight.shape, 0), at(weight.shape, 1)];
        const shape = { terms, m1: m / m2, n1: n / n2, m2, n2 };
        const errors = async (kind: SearchKind): Promise<{ plain: number; found: number }> => {
          const [rowAxis, columnAxis] = [
            { size: m, isMovable: true },
            { size: n, isMovable: true },
          ];
          const { fits, history } = await searchPermutations(matrices, [{ weight, shape, rowAxis, columnAxis }], kind);
          return { plain: Math.sqrt(at(history, 0)), found: Math.sqrt(at(fits, 0).lost / at(fits, 0).total) };
        };
        const alternation = await errors('alternation');
        const continuation = await errors('continuation');
        const rank = Math.floor((terms * (shape.m1 * shape.n1 + m2 * n2)) / (m + n));
        const { sigma } = await solver.truncated(weight, rank);
        const total = weight.data.reduce((sum, value) => sum + value * value, 0);
        const svd = Math.sqrt(1 - sigma.reduce((sum, value) => sum + value * value, 0) / total);
        expect(alternation.plain).toBeGreaterThan(0.66);
        expect(alternation.found).toBeLessThanOrEqual(alternation.plain);
        expect(continuation.found).toBeLessThanOrEqual(alternation.found);
        expect(continuation.found).toBeLessThan(0.96 * alternation.plain);
        expect(svd).toBeLessThan(continuation.found);
        await Promise.all([matrices.release(), solver.release()]);
      });
    }
  },
  [gpt2, wiki],
);
