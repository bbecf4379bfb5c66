// Writes every compiled graph as text and as an ONNX model without its large weights, for people and graph viewers.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Graph, printGraph } from '#graph';
import { placeTensors } from './export.ts';
import { type OnnxModel, writeModel } from './onnx-proto.ts';

let numDumped = 0;

/** Writes `NNN-name.txt` and `NNN-name.onnx` into a folder, numbered in the order of compilation. */
export async function dumpGraph(folder: string, graph: Graph, model: OnnxModel): Promise<void> {
  await mkdir(folder, { recursive: true });
  const stem = join(folder, `${String(++numDumped).padStart(3, '0')}-${fileStem(model.name)}`);
  await writeFile(`${stem}.txt`, printGraph(graph));
  await writeFile(`${stem}.onnx`, Buffer.concat(writeModel(placeTensors(model)).chunks()));
}

/** A program's name as part of a file name. */
export function fileStem(name: string): string {
  return name.replaceAll(/[^\w.-]+/g, '-');
}
