// From a model to a Hugging Face folder that transformers loads: dense weights under its names.
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AppError, invariant, type OperationContext, quietContext, throwIfCancelled } from '#base';
import { additionFields, isEncoded, isEncoderDecoder, type Model, materializeParameter, roundsInputs, taskOf } from '#models';
import { castTensor, type DType, dtypeBytes, isFloat, sizeOf, transposeMatrix } from '#tensor';
import { type FileSystem, localFileSystem } from '../file-system.ts';
import { type FolderWriter, renameDurably, writeFolder } from '../folder-writer.ts';
import { type TensorSource, writeSafetensors } from '../safetensors.ts';
import { indexName } from './checkpoint.ts';
import { huggingFaceConfigText } from './config.ts';
import { requireFamily } from './encoder-decoder-family.ts';
import { type GenerationDefaults, writeGenerationConfig } from './generation.ts';
import { type PaddedModel, paddedModel } from './padding.ts';
import { checkpointTensors, furtherNames } from './tensor-names.ts';
import { isTokenizerFile, type TokenizerFiles } from './tokenizer-files.ts';

type ExportDType = 'float32' | 'float16' | 'bfloat16';

export interface ExportOptions extends Partial<OperationContext> {
  /** Element type of all weights; default the one type that all stored tensors share where all are dense, else float32: products of factors need it. */
  readonly dtype?: ExportDType;
  /** Files of weights larger than this are split; default 5 GB. A single larger tensor gets a file of its own. */
  readonly maxShardBytes?: number;
  readonly generation?: GenerationDefaults;
  readonly fileSystem?: FileSystem;
}

/** What a reader should know of an exported folder. */
export interface ExportNotes {
  /** Layers that were filled up with zeros, since transformers has one size for all; one sentence an axis. */
  readonly padded: readonly string[];
  /** What the model computes and the layout cannot say. */
  readonly dropped: readonly string[];
}

const defaultShardBytes = 5e9;

/**
 * Writes `config.json`, `generation_config.json`, the tokenizer and the weights, each parameter as the dense tensor it stands for.
 *
 * The folder appears whole or not at all; it must not exist yet, or be empty.
 *
 * Layers of different sizes are padded with zeros, which changes no logits.
 *
 * @throws AppError `unsupported` (a shape that a Hugging Face config cannot say, halting, a narrow embedding, a side network, adapters, a trained prompt, an encoder-decoder that transformers has no class for) | `file_exists` | `disk_full` | `file_not_allowed` | `cancelled` | `bad_weights` (a value that float16 cannot hold)
 */
export async function exportHuggingFace(
  model: Model,
  tokenizerFiles: TokenizerFiles,
  folder: string,
  options: ExportOptions = {},
): Promise<ExportNotes> {
  checkKnownTo(model);
  const padded = paddedModel(model.config);
  if (isEncoderDecoder(padded.config)) requireFamily(padded.config);
  const target = resolve(folder);
  await checkTarget(target);
  const fileSystem = options.fileSystem ?? localFileSystem;
  const context: OperationContext = { ...quietContext, ...options };
  const dtype = options.dtype ?? exactDType(model);
  // Beside the target, so that the rename stays on one disk.
  const temporary = join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`);
  await writeFolder(
    fileSystem,
    temporary,
    `exporting to ${folder}`,
    async (writer) => {
      await writer.writeText('config.json', huggingFaceConfigText(padded.config, dtype));
      const generation = { ...endsOf(model), ...options.generation };
      if (taskOf(model.config).kind === 'causal') await writer.writeJson('generation_config.json', writeGenerationConfig(generation));
      for (const [name, bytes] of tokenizerFiles) if (isTokenizerFile(name)) await writer.write(name, [bytes]);
      const sources = denseSources(model, padded, dtype, context);
      await writeWeights(writer, sources, options.maxShardBytes ?? defaultShardBytes);
      context.report({ phase: 'export', step: sources.size, total: sources.size });
    },
    () => renameDurably(fileSystem, temporary, target),
  );
  return { padded: padded.notes, dropped: droppedRounding(model) };
}

/** Dense weights say nothing of inputs that are rounded to 8 bits: what is written computes with the exact ones. */
function droppedRounding(model: Model): string[] {
  const rounded = [...model.parameters.values()].filter((parameter) => roundsInputs(parameter)).map(({ path }) => path);
  if (rounded.length === 0) return [];
  const [first = ''] = rounded;
  const others = rounded.length === 1 ? '' : ` and ${rounded.length - 1} more`;
  return [
    `the inputs of ${first}${others} are rounded to 8 bits in the model and not in this layout: logits differ by that rounding; ONNX keeps it`,
  ];
}

/** What transformers would compute without these would be another model. */
function checkKnownTo({ config }: Model): void {
  for (const field of ['embedding', 'halting', ...additionFields] as const)
    if (config[field] !== undefined)
      throw new AppError('unsupported', `config.${field}: transformers has no such ${config.architecture} model. Export it as ONNX.`);
}

async function checkTarget(target: string): Promise<void> {
  try {
    if ((await readdir(target)).length === 0) return;
  } catch (thrown) {
    const { code } = AppError.from(thrown);
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return;
    if (code !== 'file_not_found') throw AppError.from(thrown);
  }
  throw new AppError('file_exists', `${target}: is there already and not an empty folder. Choose another path, or remove it first.`);
}

function endsOf({ config }: Model): GenerationDefaults {
  return {
    endTokens: config.endTokens,
    ...(config.beginToken === undefined ? {} : { beginToken: config.beginToken }),
    // transformers looks for it there first, and generates nothing without.
    ...(isEncoderDecoder(config) ? { startToken: config.startToken } : {}),
  };
}

/** Rounding the product of two float16 factors to float16 would move the logits by a thousandth. */
function exactDType(model: Model): ExportDType {
  const parameters = [...model.parameters.values()];
  if (parameters.some((parameter) => (parameter.kind !== 'dense' && parameter.kind !== 'shared') || isEncoded(parameter))) return 'float32';
  const dtypes = new Set<DType>();
  // The bitmaps of sparse weights are no numbers.
  for (const { tensors } of parameters) for (const { dtype } of Object.values(tensors)) if (isFloat(dtype)) dtypes.add(dtype);
  const [only] = dtypes;
  return dtypes.size === 1 && (only === 'float16' || only === 'bfloat16') ? only : 'float32';
}

/** The weights under their names, each made when it is written: one dense tensor at a time is in memory. */
function denseSources(
  model: Model,
  padded: PaddedModel,
  dtype: ExportDType,
  { report, signal }: OperationContext,
): Map<string, TensorSource> {
  const tensors = checkpointTensors(padded.config);
  let numWritten = 0;
  const sources = new Map(
    tensors.map(({ spec, name, isTransposed, shape }): [string, TensorSource] => {
      const make: TensorSource['make'] = () => {
        throwIfCancelled(signal);
        report({ phase: 'export', step: numWritten++, total: tensors.length, item: spec.path });
        const dense = padded.pad(spec.path, castTensor(materializeParameter(model, spec.path), dtype));
        if (dense.dtype === 'float16') checkRange(spec.path, dense.data);
        return isTransposed ? transposeMatrix(dense) : { ...dense, shape };
      };
      return [name, { dtype, shape, make }] as const;
    }),
  );
  for (const [further, name] of furtherNames(padded.config)) {
    const source = sources.get(name);
    invariant(source !== undefined, `${name} is a tensor of the checkpoint`);
    sources.set(further, source);
  }
  return sources;
}

function checkRange(path: string, bits: ArrayLike<number | bigint>): void {
  for (let index = 0; index < bits.length; index++)
    if ((Number(bits[index]) & 0x7c00) === 0x7c00)
      throw new AppError('bad_weights', `${path}: element ${index} is beyond 65504, the largest float16. Export as bfloat16 or float32.`);
}

async function writeWeights(writer: FolderWriter, sources: ReadonlyMap<string, TensorSource>, maxShardBytes: number): Promise<void> {
  const metadata = { format: 'pt' }; // transformers refuses a file that does not name its framework
  const shards = splitShards(sources, maxShardBytes);
  if (shards.length === 1) return writeSafetensors(writer, 'model.safetensors', sources, metadata);
  const weightMap: Record<string, string> = {};
  const number = (value: number): string => String(value).padStart(5, '0');
  for (const [index, shard] of shards.entries()) {
    const name = `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
    for (const tensor of shard.keys()) weightMap[tensor] = name;
    await writeSafetensors(writer, name, shard, metadata);
  }
  const totalBytes = [...sources.values()].reduce((sum, source) => sum + sourceBytes(source), 0);
  await writer.writeJson(indexName, { metadata: { total_size: totalBytes }, weight_map: weightMap });
}

function sourceBytes({ dtype, shape }: TensorSource): number {
  return sizeOf(shape) * dtypeBytes[dtype];
}

function splitShards(sources: ReadonlyMap<string, TensorSource>, maxShardBytes: number): Map<string, TensorSource>[] {
  const shards: Map<string, TensorSource>[] = [];
  let current = new Map<string, TensorSource>();
  let currentBytes = 0;
  for (const [name, source] of sources) {
    const bytes = sourceBytes(source);
    if (current.size > 0 && currentBytes + bytes > maxShardBytes) {
      shards.push(current);
      current = new Map();
      currentBytes = 0;
    }
    current.set(name, source);
    currentBytes += bytes;
  }
  shards.push(current);
  return shards;
}
