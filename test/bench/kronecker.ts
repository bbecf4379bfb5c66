// Kronecker sums of trained weights at half the size: errors of the weights and the time of the search, for the tables of the method's README.
// Usage: tsx test/bench/kronecker.ts FILE.safetensors NAME…
import { at } from '#base';
import { SvdSolver } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { readTensor } from '#test/tensor-file';
import { EngineMatrices } from '../../src/compress/decomposition/engine-matrices.ts';
import { type SearchKind, searchPermutations } from '../../src/compress/kronecker/permutation-search.ts';

const [file = '', ...names] = process.argv.slice(2);
const engine = await createOnnxEngine();
const { signal } = new AbortController();
const matrices = new EngineMatrices(engine, signal);
const solver = new SvdSolver(engine, signal);

process.stdout.write(`${'| matrix | blocks | terms | plain order | alternation | continuation | seconds | SVD of the same size |'}\n`);
process.stdout.write(`${'| --- | --- | --- | --- | --- | --- | --- | --- |'}\n`);
for (const name of names) {
  const weight = readTensor(file, name);
  const [m, n] = [at(weight.shape, 0), at(weight.shape, 1)];
  const wide: [number, number][] =
    n >= m
      ? [
          [2, 4],
          [1, 4],
          [1, 8],
        ]
      : [
          [4, 2],
          [4, 1],
          [8, 1],
        ];
  for (const [m2, n2] of wide) {
    const terms = (m2 * n2) / 2;
    const shape = { terms, m1: m / m2, n1: n / n2, m2, n2 };
    const error = async (kind: SearchKind, isMovable = true): Promise<number> => {
      const [rowAxis, columnAxis] = [
        { size: m, isMovable },
        { size: n, isMovable },
      ];
      const { fits } = await searchPermutations(matrices, [{ weight, shape, rowAxis, columnAxis }], kind);
      return Math.sqrt(at(fits, 0).lost / at(fits, 0).total);
    };
    const errors = [await error('alternation', false), await error('alternation')];
    const start = performance.now();
    errors.push(await error('continuation'));
    const seconds = (performance.now() - start) / 1000;
    const rank = Math.floor((terms * (shape.m1 * shape.n1 + m2 * n2)) / (m + n));
    const { sigma } = await solver.truncated(weight, rank);
    const total = weight.data.reduce((sum, value) => sum + value * value, 0);
    const svd = Math.sqrt(1 - sigma.reduce((sum, value) => sum + value * value, 0) / total);
    const cells = [name, `${m2}×${n2}`, terms, ...errors.map((value) => value.toFixed(3)), seconds.toFixed(1), svd.toFixed(3)];
    process.stdout.write(`| ${cells.join(' | ')} |\n`);
  }
}
await Promise.all([matrices.release(), solver.release()]);
await engine.dispose();
