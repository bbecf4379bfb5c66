// From a folder of CTranslate2 to a model in memory: translation models of its first formats, with a vocabulary for each side.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, at } from '#base';
import { checkConfig, checkModel, denseParameter, type EncoderDecoderConfig, type Model, type Parameter, parameterSpecs } from '#models';
import { type HostTensor, hostTensor, transposeMatrix } from '#tensor';
import { readFailure } from '../json.ts';
import { readModelFile } from './model-file.ts';

export interface CTranslate2Model {
  readonly model: Model;
  /** The token of each id. */
  readonly sourceVocabulary: readonly string[];
  readonly targetVocabulary: readonly string[];
}

/** What the two specs say without storing it. */
const headsBySpec: Readonly<Record<string, number>> = { TransformerBase: 8, TransformerBig: 16 };
const largestRevision = 2;
const tokens = { pad: '<blank>', start: '<s>', end: '</s>', unknown: '<unk>' };

/**
 * Reads `model.bin`, `source_vocabulary.txt` and `target_vocabulary.txt`: pre-norm Transformers with sinusoidal positions, as OpenNMT trains
 * them. Integer weights become float32.
 *
 * @throws AppError `file_not_found` | `unsupported` | `bad_weights` | `config_mismatch` | `bad_tokenizer`
 */
export async function importCTranslate2(folder: string): Promise<CTranslate2Model> {
  try {
    if (!(await stat(folder)).isDirectory())
      throw new AppError('file_not_found', `${folder}: is a file. Give the folder that holds model.bin.`);
    const { spec, revision, tensors } = readModelFile(await readFile(join(folder, 'model.bin')));
    const heads = headsBySpec[spec];
    if (heads === undefined || revision > largestRevision)
      throw new AppError(
        'unsupported',
        `model.bin: spec "${spec}" revision ${revision} is not read; ${Object.keys(headsBySpec).join(' and ')} up to revision ${largestRevision} are.`,
      );
    const rows = (side: string): number => at(tensorOf(tensors, `${side}/embeddings/weight`).shape, 0);
    const sourceVocabulary = await readVocabulary(folder, 'source_vocabulary.txt', rows('encoder'));
    const targetVocabulary = await readVocabulary(folder, 'target_vocabulary.txt', rows('decoder'));
    const config = configOf(tensors, heads, targetVocabulary);
    checkConfig(config);
    const model: Model = { config, parameters: parametersOf(config, tensors) };
    checkModel(model);
    return { model, sourceVocabulary, targetVocabulary };
  } catch (thrown) {
    throw readFailure(folder, thrown);
  }
}

/** One token a line; the last row of the embedding may be one for unknown tokens, which the file does not list. */
async function readVocabulary(folder: string, name: string, rows: number): Promise<string[]> {
  const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
  const listed = lines.at(-1) === '' ? lines.slice(0, -1) : lines;
  if (listed.length === rows) return listed;
  if (listed.length + 1 === rows) return [...listed, tokens.unknown];
  throw new AppError('config_mismatch', `${name}: has ${listed.length} tokens, the embedding ${rows} rows. Use the file of this model.`);
}

function idOf(vocabulary: readonly string[], token: string): number {
  const id = vocabulary.indexOf(token);
  if (id < 0) throw new AppError('bad_tokenizer', `target_vocabulary.txt: has no token "${token}". Convert the model again.`);
  return id;
}

type Tensors = ReadonlyMap<string, HostTensor<'float32'>>;

function tensorOf(tensors: Tensors, name: string): HostTensor<'float32'> {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new AppError('config_mismatch', `model.bin: "${name}" is missing. Convert the model again.`);
  return tensor;
}

function configOf(tensors: Tensors, heads: number, targets: readonly string[]): EncoderDecoderConfig {
  const [vocabularySize = 0, width = 0] = tensorOf(tensors, 'decoder/embeddings/weight').shape;
  const [sourceVocabularySize = 0] = tensorOf(tensors, 'encoder/embeddings/weight').shape;
  const stack = (side: string): { layers: number; heads: number; headWidth: number; feedForwardWidth: number } => ({
    layers: new Set([...tensors.keys()].flatMap((name) => new RegExp(`^${side}/layer_(\\d+)/`).exec(name)?.[1] ?? [])).size,
    heads,
    headWidth: width / heads,
    feedForwardWidth: at(tensorOf(tensors, `${side}/layer_0/ffn/linear_0/weight`).shape, 0),
  });
  return {
    architecture: 'encoderDecoder',
    vocabularySize,
    sourceVocabularySize,
    width,
    ...stack('decoder'),
    encoder: stack('encoder'),
    // Positions are computed; this many is beyond any sentence.
    maxPositions: 1024,
    tiedHead: false,
    normEpsilon: 1e-5,
    norm: 'layer',
    normPlacement: 'before',
    embeddingNorm: false,
    finalNorm: true,
    positions: { kind: 'sinusoidal', form: 'tensor2tensor' },
    biases: true,
    headBias: true,
    scaledEmbedding: true,
    scaledScores: true,
    scaledHead: false,
    gated: false,
    activation: 'relu',
    startToken: idOf(targets, tokens.start),
    padToken: idOf(targets, tokens.pad),
    endTokens: [idOf(targets, tokens.end)],
  };
}

/** Where a part of a joined projection lies: which of how many. */
interface Source {
  readonly name: string;
  readonly part?: readonly [index: number, count: number];
}

/** Queries, keys and values are one projection where they read one input. */
const projections: Readonly<Record<string, Source>> = {
  'attn.q': { name: 'self_attention/linear_0', part: [0, 3] },
  'attn.k': { name: 'self_attention/linear_0', part: [1, 3] },
  'attn.v': { name: 'self_attention/linear_0', part: [2, 3] },
  'attn.out': { name: 'self_attention/linear_1' },
  'attn.norm': { name: 'self_attention/layer_norm' },
  'cross.q': { name: 'attention/linear_0' },
  'cross.k': { name: 'attention/linear_1', part: [0, 2] },
  'cross.v': { name: 'attention/linear_1', part: [1, 2] },
  'cross.out': { name: 'attention/linear_2' },
  'cross.norm': { name: 'attention/layer_norm' },
  'mlp.fc': { name: 'ffn/linear_0' },
  'mlp.proj': { name: 'ffn/linear_1' },
  'mlp.norm': { name: 'ffn/layer_norm' },
};

const outside: Readonly<Record<string, string>> = {
  'embed.token': 'decoder/embeddings',
  'embed.source': 'encoder/embeddings',
  head: 'decoder/projection',
  'encoder.norm': 'encoder/layer_norm',
  'decoder.norm': 'decoder/layer_norm',
};

function sourceOf(path: string): Source {
  const module = path.slice(0, path.lastIndexOf('.'));
  const known = outside[module];
  if (known !== undefined) return { name: known };
  const [, side = '', layer = '', inner = ''] = /^(encoder|decoder)\.h\.(\d+)\.(.+)$/.exec(module) ?? [];
  const source = projections[inner];
  if (source === undefined) throw new AppError('internal', `${path} has no place in model.bin.`);
  return { ...source, name: `${side}/layer_${layer}/${source.name}` };
}

function parametersOf(config: EncoderDecoderConfig, tensors: Tensors): Map<string, Parameter> {
  const parameters = new Map<string, Parameter>();
  for (const { path, role } of parameterSpecs({ config }).values()) {
    const { name, part } = sourceOf(path);
    const isBias = path.endsWith('.bias');
    const ending = name.endsWith('layer_norm') ? (isBias ? 'beta' : 'gamma') : isBias ? 'bias' : 'weight';
    const whole = tensorOf(tensors, `${name}/${ending}`);
    const tensor = part === undefined ? whole : rowsOf(whole, part);
    parameters.set(path, denseParameter(path, role === 'linear' ? transposeMatrix(tensor) : tensor));
  }
  return parameters;
}

/** One of several equal pieces along the first axis. */
function rowsOf({ shape, data }: HostTensor<'float32'>, [index, count]: readonly [number, number]): HostTensor<'float32'> {
  const size = data.length / count;
  return hostTensor('float32', [at(shape, 0) / count, ...shape.slice(1)], data.slice(index * size, (index + 1) * size));
}
