// Reads the golden encoders in data/ and opens them through the importer, from folders such as transformers writes.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Model } from '#models';
import { FolderWriter, importHuggingFace, localFileSystem, tensorSource, writeSafetensors } from '#store';
import { type HostTensor, hostTensor } from '#tensor';
import { ids, type PackedTensor, unpack } from './golden.ts';

export interface EncoderCase {
  readonly name: string;
  /** Hugging Face's. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Readonly<Record<string, PackedTensor>>;
  readonly tokens: readonly (readonly number[])[];
  readonly mask: readonly (readonly number[])[];
  readonly tokenTypes: readonly (readonly number[])[];
  readonly logits?: PackedTensor;
  readonly hidden?: PackedTensor;
  readonly mean?: PackedTensor;
  readonly normalized?: PackedTensor;
  /** Places in [B*T] that `labels` belong to, for masked tokens. */
  readonly rows?: readonly number[];
  readonly labels?: readonly number[];
  readonly loss?: number;
  readonly gradients?: Readonly<Record<string, PackedTensor>>;
}

export const encoderCaseNames = [
  'bert-masked',
  'bert-masked-untied',
  'bert-classify',
  'bert-embed',
  'roberta-masked',
  'roberta-classify',
  'distilbert-masked',
  'distilbert-classify',
  'albert-masked',
  'albert-classify',
  'albert-embed',
] as const;

export function encoderCase(name: string): EncoderCase {
  return JSON.parse(readFileSync(new URL(`data/encoder-${name}.json`, import.meta.url), 'utf8')) as EncoderCase;
}

/** Writes a folder as transformers does, under `folder`. */
export async function writeEncoderFolder(
  folder: string,
  { config }: EncoderCase,
  tensors: Readonly<Record<string, PackedTensor>>,
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const sources = new Map(Object.entries(tensors).map(([name, tensor]) => [name, tensorSource(unpack(tensor))] as const));
  await writeSafetensors(new FolderWriter(localFileSystem, folder), 'model.safetensors', sources);
  return folder;
}

/** Gradients come under the same names as the weights, and so through the same importer. */
export async function openEncoder(
  folder: string,
  golden: EncoderCase,
  tensors: Readonly<Record<string, PackedTensor>> = golden.tensors,
): Promise<Model> {
  return (await importHuggingFace(await writeEncoderFolder(folder, golden, tensors), { tokenizer: 'optional' })).model;
}

/** The texts of a case as inputs of an encoder's graph. */
export function encoderBatch({ tokens, mask, tokenTypes }: EncoderCase): Record<string, HostTensor> {
  const maskTensor = hostTensor('bool', [mask.length, mask[0]!.length], Uint8Array.from(mask.flat()));
  return { tokens: ids(tokens), mask: maskTensor, tokenTypes: ids(tokenTypes) };
}
