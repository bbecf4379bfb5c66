// Writes a graph as an ONNX model that any ONNX Runtime runs: model.onnx, and the weights beside it.
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Graph } from '#graph';
import { type HostTensor, rawBytes, tensorBytes } from '#tensor';
import { lowerGraph } from './lower.ts';
import { type OnnxInitializer, type OnnxModel, writeModel } from './onnx-proto.ts';

export interface OnnxExportOptions {
  /** Values of the inputs that become weights; the other inputs stay inputs of the model. */
  readonly initializers: ReadonlyMap<string, HostTensor>;
  /** Folder that the two files are written to; made when it is missing. */
  readonly path: string;
  /** Name of the graph in the model. */
  readonly name: string;
}

const modelFile = 'model.onnx';
const dataFile = 'model.onnx.data';
// Smaller tensors stay in the model, whose message may not pass 2 GiB.
const externalBytes = 1024;
// Readers map the file page by page.
const dataAlignment = 4096;

/**
 * Writes `model.onnx` and, for tensors over 1 KiB, `model.onnx.data`.
 *
 * Both files are written under other names, synced and renamed, so that a reader never sees half a model.
 * @returns the bytes written
 * @throws AppError of the file system (`disk_full`, `file_not_allowed`) when passed through AppError.from
 */
export async function writeOnnxModel(graph: Graph, options: OnnxExportOptions): Promise<number> {
  await mkdir(options.path, { recursive: true });
  const model = lowerGraph(graph, { name: options.name, frozen: options.initializers, portable: true });
  const placed = placeTensors(model);
  const partial = (file: string): string => join(options.path, `.${file}.${process.pid}.partial`);
  try {
    const dataBytes = await writeSynced(partial(dataFile), (file) => writeData(file, placed.initializers));
    const modelBytes = await writeSynced(partial(modelFile), async (file) => {
      const message = writeModel(placed);
      await writeAll(file, message.chunks());
      return message.sizeBytes;
    });
    await rename(partial(dataFile), join(options.path, dataFile));
    await rename(partial(modelFile), join(options.path, modelFile));
    return dataBytes + modelBytes;
  } finally {
    await rm(partial(dataFile), { force: true });
    await rm(partial(modelFile), { force: true });
  }
}

/** Gives every large initializer its place in the data file. */
export function placeTensors(model: OnnxModel): OnnxModel {
  let end = 0;
  const initializers = model.initializers.map((initializer): OnnxInitializer => {
    const sizeBytes = tensorBytes(initializer.tensor);
    if (sizeBytes <= externalBytes) return initializer;
    const offset = Math.ceil(end / dataAlignment) * dataAlignment;
    end = offset + sizeBytes;
    return { ...initializer, external: { file: dataFile, offset, sizeBytes } };
  });
  return { ...model, initializers };
}

async function writeData(file: FileHandle, initializers: readonly OnnxInitializer[]): Promise<number> {
  let end = 0;
  for (const { tensor, external } of initializers) {
    if (external === undefined) continue;
    await writeAll(file, [new Uint8Array(external.offset - end), rawBytes(tensor)]);
    end = external.offset + external.sizeBytes;
  }
  return end;
}

/** The system may take less than it is given. */
async function writeAll(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) {
    let written = 0;
    while (written < chunk.length) written += (await file.write(chunk, written, Math.min(chunk.length - written, 1 << 30))).bytesWritten;
  }
}

async function writeSynced(path: string, write: (file: FileHandle) => Promise<number>): Promise<number> {
  const file = await open(path, 'w');
  try {
    const numBytes = await write(file);
    await file.sync();
    return numBytes;
  } finally {
    await file.close();
  }
}
