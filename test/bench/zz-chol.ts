import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { cholesky, runAtOnce } from '#linalg';
import { hostTensor } from '#tensor';
import { engineCholesky } from '../../src/compress/decomposition/engine-cholesky.ts';
import { EngineMatrices } from '../../src/compress/decomposition/engine-matrices.ts';
import { factorInputs, overInputs } from '../../src/compress/decomposition/input-factor.ts';

const engine = await createOnnxEngine({ device: 'cpu' });
const m = new EngineMatrices(engine, new AbortController().signal);
const r = new Random(1);
for (const n of [768, 3072]) {
  const x = Float64Array.from({ length: (n / 2) * n }, () => r.normal());
  let t = performance.now();
  const gram = await m.runToHost('productOfTransposed', {
    x: hostTensor('float64', [n / 2, n], x),
    y: hostTensor('float64', [n / 2, n], x),
  });
  const dt = (performance.now() - t) / 1000;
  console.log(n, 'gemm f64 GFLOP/s', ((2 * n * n * n) / 2 / dt / 1e9).toFixed(1));
  for (let i = 0; i < n; i++) gram[i * n + i]! += n * 0.01;
  for (let k = 0; k < 2; k++) {
    t = performance.now();
    const a = runAtOnce(cholesky(gram, n));
    console.log(n, 'host', a !== null, ((performance.now() - t) / 1000).toFixed(2));
    t = performance.now();
    const b = await engineCholesky(m, gram, n);
    console.log(n, 'engine', b !== null, ((performance.now() - t) / 1000).toFixed(2));
  }
  t = performance.now();
  const f = await factorInputs(m, gram, n, 'given');
  console.log(n, 'factorInputs', ((performance.now() - t) / 1000).toFixed(2));
  t = performance.now();
  await overInputs(m, f, 768, {
    choose(_p, _q, e, row) {
      for (let o = 0; o < 768; o++) e[row + o] = 0.001;
    },
  });
  console.log(n, 'recursion 768 outputs', ((performance.now() - t) / 1000).toFixed(2));
}
await m.release();
await engine.dispose();
