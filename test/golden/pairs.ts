// Reads the golden encoder-decoders: a Hugging Face folder with the weights, and the numbers that transformers gave.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Graph, GraphBuilder, gradientName, gradients } from '#graph';
import { encoderDecoderConfig, encoderDecoderNetwork, type Model, shiftRight, sourceInputs } from '#models';
import { FolderWriter, importHuggingFace, localFileSystem, tensorSource, writeSafetensors } from '#store';
import { type HostTensor, hostTensor } from '#tensor';
import { temporaryFolder } from '../support/temporary.ts';
import { ids, type PackedTensor, unpack } from './golden.ts';

export const pairCaseNames = [
  'bart',
  'mbart-scaled',
  'pegasus',
  'marian-two-vocabularies',
  't5',
  't5-gated-untied',
  'two-berts',
  'two-robertas',
] as const;

type Rows = readonly (readonly number[])[];

export interface PairCase {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Weights under the names of transformers. */
  readonly state: Readonly<Record<string, PackedTensor>>;
  readonly source: Rows;
  readonly sourceMask: Rows;
  readonly tokens: Rows;
  readonly labels: Rows;
  readonly logits: PackedTensor;
  readonly loss: number;
  readonly gradients?: Readonly<Record<string, PackedTensor>>;
  /** With the start token in front, padded. */
  readonly greedy: Rows;
  readonly searches: readonly {
    readonly settings: {
      readonly num_beams: number;
      readonly max_length: number;
      readonly length_penalty: number;
      readonly early_stopping: boolean | 'never';
      readonly no_repeat_ngram_size?: number;
    };
    readonly sequences: Rows;
    readonly scores: readonly number[];
  }[];
}

export function pairCase(name: (typeof pairCaseNames)[number]): PairCase {
  return JSON.parse(readFileSync(new URL(`data/pairs-${name}.json`, import.meta.url), 'utf8')) as PairCase;
}

/** The folder that transformers would have saved. */
export async function pairFolder(golden: PairCase): Promise<string> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'config.json'), JSON.stringify(golden.config));
  const sources = new Map(Object.entries(golden.state).map(([name, tensor]) => [name, tensorSource(unpack(tensor))]));
  await writeSafetensors(new FolderWriter(localFileSystem, folder), 'model.safetensors', sources);
  return folder;
}

export async function pairModel(golden: PairCase): Promise<Model> {
  return (await importHuggingFace(await pairFolder(golden), { tokenizer: 'optional' })).model;
}

export function mask(rows: Rows): HostTensor<'bool'> {
  return hostTensor('bool', [rows.length, rows[0]!.length], Uint8Array.from(rows.flat()));
}

/** Inputs of every graph over the case's pairs. */
export function pairInputs(golden: PairCase): Record<string, HostTensor> {
  return { source: ids(golden.source), sourceMask: mask(golden.sourceMask), tokens: ids(golden.tokens), labels: ids(golden.labels) };
}

/** The gradients of the mean loss over the labels, by stored name. */
export function pairGradientGraph(model: Model, sizes: { batch: number; sourceLength: number; length: number }): Graph {
  const { batch, length, ...rest } = sizes;
  const b = new GraphBuilder();
  const sources = sourceInputs(b, { batch, ...rest });
  const labels = b.input('labels', 'int64', [batch, length]);
  const tokens = shiftRight(b, encoderDecoderConfig(model), labels);
  const net = encoderDecoderNetwork(b, model, sources, tokens);
  const rows = b.reshape(labels, [batch * length]);
  const counts = b.cast(b.not(b.less(rows, 0)), 'float32');
  const losses = b.mul(b.crossEntropy(net.logits(net.hidden(tokens)), b.maximum(rows, 0))[0], counts);
  const loss = b.div(b.reduceSum(losses, [0]), b.reduceSum(counts, [0]));
  const names = [...net.parameterInputs.keys()];
  const made = gradients(b, loss, [...net.parameterInputs.values()]);
  return b.graph(Object.fromEntries(names.map((name, index) => [gradientName(name), made[index]!])));
}
