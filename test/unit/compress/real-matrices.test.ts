// SVD of trained weights on the default engine: the promise of 1e-4 where spectra decay slowly.
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { SvdSolver } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { runAtOnce, symmetricEigenvalues } from '#linalg';
import { float32 } from '#tensor';
import { describeWithShared } from '#test/shared';
import { readTensor } from '#test/tensor-file';
import { EngineMatrices, readNumbers } from '../../../src/compress/decomposition/engine-matrices.ts';
import { plainProblem, weightLoss } from '../../../src/compress/decomposition/factor-problem.ts';

const gpt2 = 'models/gpt2-124m-partial/gpt2-124m-layers-0-5-11-attention.safetensors';
const wiki = 'models/wiki-gpt2-7m/model.safetensors';

const cases: [string, string][] = [
  [gpt2, 'h.0.attn.c_attn.weight'],
  [gpt2, 'h.5.attn.c_proj.weight'],
  [gpt2, 'h.11.attn.c_proj.weight'],
  [gpt2, 'wpe.weight'],
  [wiki, 'transformer.h.3.mlp.c_fc.weight'],
  [wiki, 'transformer.h.0.mlp.c_proj.weight'],
  [wiki, 'transformer.wte.weight'],
];

describeWithShared(
  'SvdSolver on trained weights',
  (shared) => {
    let engine: Engine;
    afterAll(() => engine?.dispose());

    for (const [file, name] of cases) {
      it(`is within 1e-4 of the best factors of ${name} at a quarter of the rank`, async () => {
        engine ??= await createOnnxEngine();
        const { signal } = new AbortController();
        const weight = readTensor(join(shared, file), name);
        const [m = 0, n = 0] = weight.shape;
        const order = Math.min(m, n);
        const rank = order / 4;
        const matrices = new EngineMatrices(engine, signal);
        const problem = await plainProblem(matrices, weight);
        const squares = runAtOnce(symmetricEigenvalues(readNumbers(problem.gram), order));
        problem.release();
        const best = squares.subarray(rank).reduce((sum, square) => sum + square, 0);
        const solver = new SvdSolver(engine, signal);
        const { sigma, left, right } = await solver.truncated(weight, rank);
        const columns = new Float32Array(m * rank);
        for (let i = 0; i < m; i++) for (let k = 0; k < rank; k++) columns[i * rank + k] = left[k * m + i]! * sigma[k]!;
        const { lost } = await weightLoss(matrices, weight, float32([m, rank], columns), float32([rank, n], right));
        expect(Math.sqrt(lost / best) - 1).toBeLessThan(1e-4);
        expect(sigma[0]! ** 2 / squares[0]!).toBeCloseTo(1, 9);
        await Promise.all([matrices.release(), solver.release()]);
      });
    }
  },
  [gpt2, wiki],
);
