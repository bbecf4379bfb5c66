// The weights of a folder: one safetensors file, or several with an index; pickle files are refused.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '#base';
import { checkJson, readJsonFile } from '../json.ts';
import { SafetensorsReader } from '../safetensors.ts';
import { badSafetensors, type SafetensorsEntry } from '../safetensors-header.ts';

const singleName = 'model.safetensors';
export const indexName = 'model.safetensors.index.json';

/** A stored tensor and the open file it lies in. */
export interface CheckpointEntry {
  readonly entry: SafetensorsEntry;
  readonly reader: SafetensorsReader;
}

/** An open checkpoint whose headers have been checked. Close it. */
export interface Checkpoint {
  /** By stored name. */
  readonly entries: ReadonlyMap<string, CheckpointEntry>;
  close(): Promise<void>;
}

/**
 * Opens the weights of a folder without reading them.
 *
 * @throws AppError `file_not_found` | `pickle_refused` | `bad_safetensors` (also: a shard is missing, lies outside the folder, or
 * holds other tensors than the index says)
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const names = await readdir(folder);
  if (names.includes(singleName)) return openFiles(folder, [singleName]);
  if (names.includes(indexName)) return openShards(folder, names);
  const pickles = names.filter((name) => /\.(bin|pt|pth|ckpt|pkl)$/.test(name) || name === 'pytorch_model.bin.index.json').sort();
  if (pickles.length > 0)
    throw new AppError(
      'pickle_refused',
      `${pickles[0]}: pickle files run any code they contain when they are read, so they are not. Convert the checkpoint where you trust it: ` +
        "AutoModelForCausalLM.from_pretrained('FOLDER').save_pretrained('FOLDER', safe_serialization=True), then import again.",
    );
  throw new AppError('file_not_found', `${singleName}: neither it nor ${indexName} is in the folder. Check the path.`);
}

async function openFiles(folder: string, names: readonly string[]): Promise<Checkpoint> {
  const readers: SafetensorsReader[] = [];
  const close = async (): Promise<void> => {
    for (const reader of readers) await reader.close();
  };
  try {
    const entries = new Map<string, CheckpointEntry>();
    for (const name of names) {
      const reader = await SafetensorsReader.open(join(folder, name));
      readers.push(reader);
      for (const entry of reader.header.entries.values()) {
        if (entries.has(entry.name)) throw badSafetensors(name, `tensor "${entry.name}" is in another shard too`);
        entries.set(entry.name, { entry, reader });
      }
    }
    return { entries, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

async function openShards(folder: string, names: readonly string[]): Promise<Checkpoint> {
  const json = await readJsonFile(join(folder, indexName), 'bad_safetensors');
  const { weight_map: shardByTensor } = checkJson(indexSchema, json, 'bad_safetensors', indexName);
  const numTensors = new Map<string, number>();
  for (const [tensor, shard] of Object.entries(shardByTensor)) {
    if (basename(shard) !== shard || shard.includes('\\') || !shard.endsWith('.safetensors'))
      throw badSafetensors(indexName, `"${tensor}" is said to be in "${shard}", which is not the name of a safetensors file in the folder`);
    numTensors.set(shard, (numTensors.get(shard) ?? 0) + 1);
  }
  for (const [shard, count] of numTensors)
    if (!names.includes(shard)) throw badSafetensors(indexName, `shard "${shard}" with ${count} tensors is missing from the folder`);
  const shards = [...numTensors.keys()].sort();
  const checkpoint = await openFiles(folder, shards);
  try {
    checkIndex(checkpoint, shards, shardByTensor);
  } catch (thrown) {
    await checkpoint.close();
    throw thrown;
  }
  return checkpoint;
}

function checkIndex(checkpoint: Checkpoint, shards: readonly string[], shardByTensor: Readonly<Record<string, string>>): void {
  for (const [tensor, shard] of Object.entries(shardByTensor)) {
    const place = checkpoint.entries.get(tensor)?.reader.place;
    if (place !== shard)
      throw badSafetensors(
        indexName,
        `"${tensor}" should be in "${shard}", but is in ${place === undefined ? `none of the ${shards.length} shards` : `"${place}"`}`,
      );
  }
  for (const [tensor, { reader }] of checkpoint.entries)
    if (!Object.hasOwn(shardByTensor, tensor)) throw badSafetensors(reader.place, `holds "${tensor}", which ${indexName} does not list`);
}
