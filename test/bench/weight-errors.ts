// Each method on real matrices against NumPy: `npx tsx test/bench/weight-errors.ts [layers]`: errors and times of attention matrices of GPT-2 small.
//
// The matrices are those of ../shared; their inputs are made up: embeddings with channels of very different sizes that hang together, through the
// layer's norm. Both sides see the same second moments, mean magnitudes and squared gradients. ATHANOR_BENCH_PYTHON names a Python with NumPy.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { at, quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { denseParameter, type Gpt2Config, initializeModel, type Model, materializeParameter, replaceParameters } from '#models';
import { castTensor, float32, int64 } from '#tensor';
import { sharedFolder } from '#test/shared';
import { readTensor } from '#test/tensor-file';

const config: Gpt2Config = {
  architecture: 'gpt2',
  vocabularySize: 4096,
  width: 768,
  layers: 1,
  heads: 12,
  feedForwardWidth: 768,
  maxPositions: 512,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [],
  activation: 'geluTanh',
};
const file = join(sharedFolder ?? '', 'models/gpt2-124m-partial/gpt2-124m-layers-0-5-11-attention.safetensors');
const paths = { 'h.0.attn.qkv': 'c_attn', 'h.0.attn.out': 'c_proj' } as const;
const sparse = { sparsity: 0.5 };

interface Case {
  readonly name: string;
  readonly step: Readonly<Record<string, object>>;
  /** Of the NumPy side, with its settings; a rank is that of half the numbers. */
  readonly method: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly hasRank?: true;
  /** The weight is stored scaled, and what reads it is scaled back: only the report knows its error. */
  readonly isFolded?: true;
}

const cases: readonly Case[] = [
  ...['plain', 'fwsvd', 'asvd', 'whitened'].map(
    (method): Case => ({ name: `low rank, ${method}, 50 %`, step: { lowRank: { method, ratio: 0.5 } }, method, hasRank: true }),
  ),
  ...(['none', 'all'] as const).map(
    (permute): Case => ({
      name: `Kronecker, 4 terms of 2x4${permute === 'all' ? ', orders searched (NumPy: none)' : ''}`,
      step: { kronecker: { terms: 4, shape: [2, 4], permute } },
      method: 'kronecker',
      settings: { terms: 4, shape: [2, 4] },
    }),
  ),
  ...['magnitude', 'wanda', 'sparsegpt'].flatMap((method): Case[] => [
    { name: `prune 50 %, ${method}`, step: { prune: { method, ...sparse } }, method, settings: sparse },
    { name: `prune 2:4, ${method}`, step: { prune: { method, pattern: '2:4' } }, method, settings: { group: 4 } },
  ]),
  ...[8, 4, 3, 2].map((bits): Case => ({ name: `${bits} bits, nearest`, step: { quantize: { bits } }, method: 'rtn', settings: { bits } })),
  ...[4, 3, 2].map(
    (bits): Case => ({ name: `${bits} bits, GPTQ`, step: { quantize: { bits, method: 'gptq' } }, method: 'gptq', settings: { bits } }),
  ),
  {
    name: '4 bits, AWQ (NumPy: without shorter ranges)',
    step: { quantize: { bits: 4, method: 'awq' } },
    method: 'awq',
    settings: { bits: 4 },
    isFolded: true,
  },
  { name: 'int8 products', step: { quantize: { method: 'dynamic' } }, method: 'int8' },
  { name: 'ternary', step: { quantize: { scheme: 'ternary' } }, method: 'ternary' },
  { name: 'binary', step: { quantize: { scheme: 'binary' } }, method: 'binary' },
];

interface Answer {
  readonly seconds: number;
  readonly weight: number;
  readonly output: number;
  readonly madeWeight?: number;
  readonly madeOutput?: number;
}

const folder = mkdtempSync(join(tmpdir(), 'weight-errors-'));
const python = spawn(
  process.env['ATHANOR_BENCH_PYTHON'] ?? 'python3',
  [fileURLToPath(new URL('./weight_errors_numpy.py', import.meta.url))],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '2' },
  },
);
const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
async function ask(question: object): Promise<Answer> {
  python.stdin.write(`${JSON.stringify(question)}\n`);
  const { value, done } = await answers.next();
  if (done === true) throw new Error('the Python side ended; does it have NumPy?');
  return JSON.parse(value) as Answer;
}
function written(name: string, numbers: ArrayLike<number>): string {
  const path = join(folder, `${name}.f64`);
  writeFileSync(path, new Uint8Array(Float64Array.from(numbers).buffer));
  return path;
}

const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const random = new Random(3);
const windows = Array.from({ length: 16 }, () =>
  int64(
    [2, 512],
    Array.from({ length: 1024 }, () => random.integer(config.vocabularySize)),
  ),
);
const calibration = new WindowCalibration(engine, async function* () {
  yield* windows;
});

/** Rows that lie mostly in 64 directions, with channels whose sizes are spread over two orders of magnitude. */
function embedding(rows: number, width: number): Float32Array {
  const directions = Float32Array.from({ length: 64 * width }, () => random.normal());
  const sizes = Float32Array.from({ length: width }, () => Math.exp(random.normal()));
  const values = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const weights = Float32Array.from({ length: 64 }, () => random.normal() / 8);
    for (let j = 0; j < width; j++) {
      let sum = 0.3 * random.normal();
      for (let k = 0; k < 64; k++) sum += (weights[k] ?? 0) * (directions[k * width + j] ?? 0);
      values[row * width + j] = sum * (sizes[j] ?? 0);
    }
  }
  return values;
}

function modelOf(layer: number): Model {
  const real = Object.entries(paths).flatMap(([path, name]) =>
    (['weight', 'bias'] as const).map((part) =>
      denseParameter(`${path}.${part}`, castTensor(readTensor(file, `h.${layer}.attn.${name}.${part}`), 'float32')),
    ),
  );
  const tokens = denseParameter(
    'embed.token.weight',
    float32([config.vocabularySize, config.width], embedding(config.vocabularySize, config.width)),
  );
  return replaceParameters(initializeModel(config, random), [...real, tokens]);
}

async function only<T>(values: AsyncIterable<T>): Promise<T> {
  for await (const value of values) return value;
  throw new Error('calibration gave nothing');
}

console.log(
  '| matrix | method | weight error | NumPy | output error | NumPy | seconds | NumPy |\n| --- | --- | --- | --- | --- | --- | --- | --- |',
);
const layers = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [0, 5, 11];
for (const layer of layers) {
  const model = modelOf(layer);
  for (const [path, name] of Object.entries(paths)) {
    const weight = materializeParameter(model, `${path}.weight`);
    const [rows, columns] = [at(weight.shape, 0), at(weight.shape, 1)];
    const asked = [model, [`${path}.weight`], quietContext] as const;
    const { gram } = await only(calibration.inputMoments(...asked));
    const { sums, tokens } = await only(calibration.inputMagnitudes(...asked));
    const { squares } = await only(calibration.gradientSquares(...asked));
    const files = {
      weight: written('weight', weight.data),
      gram: written('gram', gram),
      magnitudes: written(
        'magnitudes',
        sums.map((sum) => sum / tokens),
      ),
      squares: written('squares', squares),
    };
    for (const each of cases) {
      const [[stepName, settings] = ['', {}]] = Object.entries(each.step);
      const recipe = parseRecipe({ steps: [{ [stepName]: { ...settings, include: [`${path}.weight`] } }] }, methods);
      const start = performance.now();
      const { model: made, report } = await compressModel(model, recipe, { engine, calibration, seed: 0 }, quietContext);
      const seconds = (performance.now() - start) / 1000;
      const reported = at(at(report.steps, 0).layers, 0);
      const rank = each.hasRank === true ? { rank: Math.floor((0.5 * rows * columns) / (rows + columns)) } : {};
      const question = { method: each.method, settings: { ...each.settings, ...rank }, rows, columns, files };
      const madeFile = each.isFolded === true ? null : written('made', materializeParameter(made, `${path}.weight`).data);
      const answer = await ask({ ...question, made: madeFile });
      const { madeWeight = Number.NaN, madeOutput = reported.outputError ?? Number.NaN } = answer;
      const errors = [madeWeight, answer.weight, madeOutput, answer.output].map((value) => (Number.isNaN(value) ? '-' : value.toFixed(4)));
      const cells = [`h.${layer}.attn.${name}`, each.name, ...errors, seconds.toFixed(2), answer.seconds.toFixed(2)];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
}
python.stdin.end();
rmSync(folder, { recursive: true });
await engine.dispose();
