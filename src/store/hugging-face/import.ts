// From a Hugging Face folder to a model in memory. Everything is checked before anything is returned.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, at, type OperationContext, quietContext, throwIfCancelled, yieldToEventLoop } from '#base';
import { checkConfig, checkModel, denseParameter, isEncoderDecoder, type Model, type ModelConfig, type Parameter } from '#models';
import { firstNonFinite, type HostTensor, isFloat, printShape, sameShape, toNumbers, transposeMatrix } from '#tensor';
import { readFailure, readJsonFile } from '../json.ts';
import { type Checkpoint, type CheckpointEntry, openCheckpoint } from './checkpoint.ts';
import { readHuggingFaceConfig } from './config.ts';
import { type GenerationDefaults, readGenerationConfig } from './generation.ts';
import { withPooling } from './sentence-embedding.ts';
import { type CheckpointTensor, checkpointTensors, fitToNames, matchTensors, mismatch, type TensorMatch } from './tensor-names.ts';
import { checkTokenizer, readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.ts';

export interface ImportOptions extends Partial<OperationContext> {
  /** `optional` accepts a folder without tokenizer.json; default `required`. */
  readonly tokenizer?: 'required' | 'optional';
}

export interface ImportedModel {
  /** All dense, in the element types of the checkpoint. */
  readonly model: Model;
  /** Empty where the folder has none and that is accepted. */
  readonly tokenizerFiles: TokenizerFiles;
  readonly generation: GenerationDefaults;
}

/**
 * Reads `config.json`, `tokenizer.json` and `model.safetensors` (one file, or shards with an index) of a folder.
 *
 * The end tokens and the start token of `generation_config.json` win over those of `config.json`, as in transformers.
 *
 * @throws AppError `file_not_found` | `file_not_allowed` | `bad_config` | `unknown_architecture` | `bad_tokenizer` | `tokenizer_mismatch` |
 * `pickle_refused` | `bad_safetensors` | `config_mismatch` | `bad_weights` | `cancelled`
 */
export async function importHuggingFace(folder: string, options: ImportOptions = {}): Promise<ImportedModel> {
  try {
    if (!(await stat(folder)).isDirectory())
      throw new AppError('file_not_found', `${folder}: is a file. Give the folder that holds config.json and the weights.`);
    const read = readHuggingFaceConfig(await readJsonFile(join(folder, 'config.json'), 'bad_config'));
    const generation = await readGeneration(folder);
    const config = await withPooling(folder, withGeneration(read, generation));
    checkConfig(config);
    const tokenizerFiles = await readTokenizer(folder, options.tokenizer ?? 'required');
    checkTokenizer(tokenizerFiles, config.vocabularySize);
    const checkpoint = await openCheckpoint(folder);
    try {
      const model = await readModel(config, checkpoint, { ...quietContext, ...options });
      return { model, tokenizerFiles, generation };
    } finally {
      await checkpoint.close();
    }
  } catch (thrown) {
    throw readFailure(folder, thrown);
  }
}

async function readGeneration(folder: string): Promise<GenerationDefaults> {
  try {
    return readGenerationConfig(await readJsonFile(join(folder, 'generation_config.json'), 'bad_config'));
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'file_not_found') return {};
    throw thrown;
  }
}

function withGeneration(read: ModelConfig, { endTokens, startToken }: GenerationDefaults): ModelConfig {
  const config = isEncoderDecoder(read) && startToken !== undefined ? { ...read, startToken } : read;
  // An identifier outside the vocabulary is never produced; transformers writes its default there for tiny vocabularies.
  const reachable = endTokens?.filter((token) => token < config.vocabularySize);
  return reachable === undefined || reachable.length === 0 ? config : { ...config, endTokens: reachable };
}

async function readTokenizer(folder: string, need: 'required' | 'optional'): Promise<TokenizerFiles> {
  try {
    return await readTokenizerFiles(folder);
  } catch (thrown) {
    if (need === 'optional' && thrown instanceof AppError && thrown.code === 'file_not_found') return new Map();
    throw thrown;
  }
}

async function readModel(read: ModelConfig, checkpoint: Checkpoint, { report, signal }: OperationContext): Promise<Model> {
  const config = fitToNames(read, new Set(checkpoint.entries.keys()));
  const match = matchTensors(config, checkpoint.entries.keys());
  const sources = checkpointTensors(config).map((tensor) => ({ tensor, source: sourceOf(tensor, match, checkpoint) }));
  for (const { tensor, source } of sources) checkDeclaration(tensor, source);
  const parameters = new Map<string, Parameter>();
  for (const [index, { tensor, source }] of sources.entries()) {
    throwIfCancelled(signal);
    const { path } = tensor.spec;
    report({ phase: 'import', step: index, total: sources.length, item: path });
    const stored = await source.reader.read(source.entry, signal);
    checkFinite(source.entry.name, stored);
    parameters.set(path, denseParameter(path, tensor.isTransposed ? transposeMatrix(stored) : { ...stored, shape: tensor.spec.shape }));
    await yieldToEventLoop();
  }
  for (const copy of match.copies) await checkCopy(copy, match, checkpoint, parameters, signal);
  const model: Model = { config, parameters };
  checkModel(model);
  report({ phase: 'import', step: sources.length, total: sources.length });
  return model;
}

function sourceOf({ spec, name }: CheckpointTensor, { nameByPath }: TensorMatch, checkpoint: Checkpoint): CheckpointEntry {
  const source = checkpoint.entries.get(nameByPath.get(spec.path) ?? name);
  if (source === undefined) throw mismatch(`"${name}" is missing`);
  return source;
}

function checkDeclaration({ shape }: CheckpointTensor, { entry, reader }: CheckpointEntry): void {
  if (!sameShape(entry.shape, shape))
    throw mismatch(`"${entry.name}" in ${reader.place} is ${printShape(entry.shape)}, but config.json asks for ${printShape(shape)}`);
  if (!isFloat(entry.dtype))
    throw mismatch(`"${entry.name}" in ${reader.place} is ${entry.dtype}, but weights must be float32, float16, bfloat16 or float64`);
}

function checkFinite(name: string, tensor: HostTensor): void {
  const index = firstNonFinite(tensor);
  if (index < 0) return;
  let rest = index;
  const position: number[] = [];
  for (const size of tensor.shape.toReversed()) {
    position.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  const value = at(toNumbers(tensor), index);
  throw new AppError(
    'bad_weights',
    `"${name}": element ${printShape(position)} of ${printShape(tensor.shape)} is ${value}. Use an earlier checkpoint.`,
    {
      details: { tensor: name, index },
    },
  );
}

/** A tensor that is stored twice must hold the same numbers twice, or the configuration lies. */
async function checkCopy(
  { name, path }: TensorMatch['copies'][number],
  { nameByPath }: TensorMatch,
  checkpoint: Checkpoint,
  parameters: ReadonlyMap<string, Parameter>,
  signal: AbortSignal,
): Promise<void> {
  const source = checkpoint.entries.get(name);
  const original = parameters.get(path)?.tensors['value'];
  if (source === undefined || original === undefined) return;
  const fail = (difference: string): never => {
    const originalName = nameByPath.get(path);
    const [reason, remedy] = name.includes('embed_tokens')
      ? ['encoder and decoder share one table of tokens', 'Different tables for one vocabulary are not supported']
      : ['tie_word_embeddings is true', 'Or set tie_word_embeddings to false'];
    throw mismatch(`${reason}, but "${name}" is not "${originalName}": ${difference}. ${remedy}`);
  };
  if (!sameShape(source.entry.shape, original.shape)) fail(`${printShape(source.entry.shape)} against ${printShape(original.shape)}`);
  const copyData = toNumbers(await source.reader.read(source.entry, signal));
  const originalData = toNumbers(original);
  for (let index = 0; index < originalData.length; index++)
    if (copyData[index] !== originalData[index]) fail(`element ${index} is ${copyData[index]} against ${originalData[index]}`);
}
