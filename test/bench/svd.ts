// SVD of GPT-2 small's block matrices against NumPy's full SVD of the same: `npx tsx test/bench/svd.ts [blocks] [sweeps]`.
//
// Attention matrices are real where ../shared has them (blocks 0, 5 and 11, in turn); the others are normal random matrices, whose flat spectrum is
// the slowest case for the truncated form. ATHANOR_BENCH_PYTHON names an interpreter with NumPy.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { at, Random } from '#base';
import { SvdSolver } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { float32, type HostTensor, rawBytes, sizeOf } from '#tensor';
import { sharedFolder } from '#test/shared';
import { readTensor } from '#test/tensor-file';

const attentionFile = 'models/gpt2-124m-partial/gpt2-124m-layers-0-5-11-attention.safetensors';
const realBlocks = [0, 5, 11];

function randomMatrix(shape: readonly number[], seed: number): HostTensor<'float32'> {
  const random = new Random(seed);
  return float32(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => 0.02 * random.normal()),
  );
}

function blockMatrices(block: number): HostTensor<'float32'>[] {
  const attention = (name: string, shape: readonly number[]): HostTensor<'float32'> =>
    sharedFolder === undefined
      ? randomMatrix(shape, block)
      : readTensor(join(sharedFolder, attentionFile), `h.${at(realBlocks, block % realBlocks.length)}.attn.${name}.weight`);
  return [
    attention('c_attn', [768, 2304]),
    attention('c_proj', [768, 768]),
    randomMatrix([768, 3072], 1000 + block),
    randomMatrix([3072, 768], 2000 + block),
  ];
}

/** Seconds for all matrices, two in flight as in the low-rank step. */
async function sweep(
  matrices: readonly HostTensor<'float32'>[],
  decompose: (weight: HostTensor<'float32'>) => Promise<unknown>,
): Promise<number> {
  const start = performance.now();
  const queue = matrices.values();
  const worker = async (): Promise<void> => {
    for (const weight of queue) await decompose(weight);
  };
  await Promise.all([worker(), worker()]);
  return (performance.now() - start) / 1000;
}

const median = (values: readonly number[]): number =>
  at(
    [...values].sort((a, b) => a - b),
    Math.floor(values.length / 2),
  );

async function main(): Promise<void> {
  const [blocks = 3, sweeps = 5] = process.argv.slice(2).map(Number);
  const matrices = Array.from({ length: blocks }, (_, block) => blockMatrices(block)).flat();
  const folder = mkdtempSync(join(tmpdir(), 'svd-bench-'));
  const python = spawn(process.env['ATHANOR_BENCH_PYTHON'] ?? 'python3', [join(import.meta.dirname, 'svd_numpy.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const engine = await createOnnxEngine();
  try {
    const listed = matrices.map((matrix, index) => {
      const file = join(folder, `${index}.bin`);
      writeFileSync(file, rawBytes(matrix));
      return { file, rows: matrix.shape[0], columns: matrix.shape[1] };
    });
    python.stdin.write(`${JSON.stringify(listed)}\n`);
    const solver = new SvdSolver(engine, new AbortController().signal);
    const truncated = (weight: HostTensor<'float32'>): Promise<unknown> => solver.truncated(weight, Math.min(...weight.shape) / 4);
    await sweep(matrices.slice(0, 4), truncated); // compiles the programs
    const seconds = { numpy: [] as number[], truncated: [] as number[], full: [] as number[] };
    for (let round = 0; round < sweeps; round++) {
      python.stdin.write('\n');
      const { value } = await lines.next();
      seconds.numpy.push(Number(JSON.parse(String(value)).seconds));
      seconds.truncated.push(await sweep(matrices, truncated));
      seconds.full.push(await sweep(matrices, (weight) => solver.full(weight)));
    }
    await solver.release();
    const [numpy, quarter, whole] = [median(seconds.numpy), median(seconds.truncated), median(seconds.full)];
    process.stdout.write(
      `${matrices.length} matrices, medians of ${sweeps} sweeps\n` +
        `NumPy full SVD       ${numpy.toFixed(2)} s\n` +
        `truncated at n/4     ${quarter.toFixed(2)} s   ${(numpy / quarter).toFixed(2)} x NumPy\n` +
        `full                 ${whole.toFixed(2)} s   ${(numpy / whole).toFixed(2)} x NumPy\n`,
    );
  } finally {
    python.stdin.end();
    await engine.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
