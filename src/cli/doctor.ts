// What this machine has for athanor: versions, processor, memory, engines and devices, and what to install for each that is missing.
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { inspectOnnx, type OnnxReport } from '#engine/onnx';
import { inspectTensorflow, type TensorflowReport } from '#engine/tensorflow';
import { memoryLimitBytes } from '#jobs';
import { type GraphicsProcessor, graphicsProcessors } from './graphics-processors.ts';
import { bytesText } from './output.ts';
import { packageVersion } from './package-version.ts';

export interface DoctorReport {
  readonly athanor: string;
  readonly node: string;
  readonly platform: string;
  readonly processor: {
    readonly model: string;
    readonly threads: number;
    /** Those that decide how fast products are; undefined where the system does not tell. */
    readonly instructionSets: readonly string[] | undefined;
  };
  readonly memory: { readonly totalBytes: number; readonly limitBytes: number };
  /** Of NVIDIA, as the driver tells of them. */
  readonly gpus: readonly GraphicsProcessor[];
  readonly engines: { readonly onnx: OnnxReport; readonly tensorflow: TensorflowReport };
  /** What a person should know; empty when all is well. */
  readonly advice: readonly string[];
}

/** Names in Linux' list of flags. */
const instructionSets = {
  avx2: 'AVX2',
  fma: 'FMA',
  avx512f: 'AVX-512',
  avx512_vnni: 'AVX-512 VNNI',
  avx_vnni: 'AVX VNNI',
  avx512_bf16: 'AVX-512 BF16',
  amx_int8: 'AMX int8',
  amx_bf16: 'AMX bf16',
  asimd: 'NEON',
  asimddp: 'NEON dot product',
  i8mm: 'NEON int8 matrices',
} as const;

export async function examine(): Promise<DoctorReport> {
  const flags = processorFlags();
  const sets = flags === undefined ? undefined : Object.entries(instructionSets).flatMap(([flag, name]) => (flags.has(flag) ? [name] : []));
  const [onnx, tensorflow] = [await inspectOnnx(), await inspectTensorflow()];
  const hasIntegers = sets?.some((name) => /VNNI|AMX int8|dot product|int8 matrices/.test(name)) ?? true;
  return {
    athanor: packageVersion(),
    node: process.versions.node,
    platform: `${platform()}-${arch()}`,
    processor: { model: cpus()[0]?.model.trim() ?? 'unknown', threads: availableParallelism(), instructionSets: sets },
    memory: { totalBytes: totalmem(), limitBytes: memoryLimitBytes(undefined) },
    gpus: await graphicsProcessors(),
    engines: { onnx, tensorflow },
    advice: [
      ...(hasIntegers
        ? []
        : [
            'The processor has no integer dot products: 8-bit models save memory here, and hardly time. Prefer fp32 or low rank for speed.',
          ]),
      ...[...onnx.devices, tensorflow].flatMap(({ problem }) => (problem === undefined ? [] : [problem])),
    ],
  };
}

/** Of the first processor, as Linux lists them; undefined elsewhere. */
function processorFlags(): ReadonlySet<string> | undefined {
  try {
    const [, list = ''] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
    return new Set(list.split(/\s+/));
  } catch {
    return undefined;
  }
}

export function doctorText({ athanor, node, platform: system, processor, memory, gpus, engines, advice }: DoctorReport): string {
  const { onnx, tensorflow } = engines;
  const devices = onnx.devices.map(({ device, isUsable, packedBits = [], int8Weights, ownKernels = false, nativeProducts = [] }) => {
    if (!isUsable) return `  ${device.padEnd(10)} not available`;
    const integers = int8Weights === undefined ? 'by plain operators' : `as ${int8Weights}`;
    const kernels = ownKernels ? ', own kernels' : '';
    return `  ${device.padEnd(10)} ready: packed weights of ${packedBits.join(', ')} bits, 8-bit integers ${integers}${kernels}, ${precisionText(nativeProducts)}`;
  });
  return [
    `athanor ${athanor}, Node ${node}, ${system}`,
    `processor  ${processor.model}, ${processor.threads} threads, ${processor.instructionSets?.join(', ') ?? 'instruction sets unknown'}`,
    `memory     ${bytesText(memory.totalBytes)}, of which this process may hold ${bytesText(memory.limitBytes)}`,
    ...gpus.map(
      ({ name, totalBytes, freeBytes, driver }, index) =>
        `gpu ${String(index).padEnd(7)}${name}, ${bytesText(totalBytes)}, ${bytesText(freeBytes)} of them free, driver ${driver}`,
    ),
    `onnx       ONNX Runtime ${onnx.version}, built with ${onnx.providers.join(', ')}`,
    ...devices,
    tensorflow.isUsable ? `tensorflow TensorFlow ${tensorflow.version}, ${tensorflow.device} ready` : 'tensorflow not available',
    ...(advice.length === 0 ? [] : ['', 'what to do', ...advice.map((line) => `  - ${line}`)]),
  ].join('\n');
}

/** What a training can gain from its `precision` here. */
function precisionText(nativeProducts: readonly string[]): string {
  return nativeProducts.length === 0
    ? 'products in float32 (float16 and bfloat16 are rounded to, not faster)'
    : `products in float32, ${nativeProducts.join(', ')}`;
}
