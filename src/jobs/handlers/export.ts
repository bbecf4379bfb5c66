// Export: a stored model written as a Hugging Face folder or as an ONNX model.
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, type OperationContext, throwIfCancelled } from '#base';
import { writeOnnxModel } from '#engine/onnx';
import { buildTaskGraph, modelInputs } from '#models';
import { exportHuggingFace } from '#store';
import { checkInput } from '../check-input.ts';
import type { JobHandler } from '../job.ts';
import type { ModelHub, ModelLease } from '../model-hub.ts';
import type { ExportResult } from '../results.ts';
import { type ExportFormat, type ExportSpec, exportSpecSchema } from '../specs.ts';
import { checkReads } from './names.ts';

/** Folder below the work folder that holds the files of an export without a path. */
export const keptExportFolder = 'export';

export function exportHandler(hub: ModelHub): JobHandler<ExportSpec, ExportResult> {
  return {
    kind: 'export',
    usesDevice: false,
    // An earlier attempt's files go, and everything is written again.
    canResume: true,
    keepsWorkFolder: true,
    parse: (input) => checkInput(exportSpecSchema, input, 'export'),
    names: ({ model }) => ({ source: model, target: '' }),
    paths: ({ path }) => (path === '' ? [] : [path]),
    async prepare({ model, path }) {
      await checkReads(hub, [model]);
      if (path !== '' && (await entriesOf(path)).length > 0)
        throw new AppError('file_exists', `${path}: exists and is not empty. Choose a folder that does not exist yet.`, {
          details: { path },
        });
    },
    async run({ model, format, path }, context) {
      const folder = path === '' ? join(context.workFolder, keptExportFolder) : path;
      await claim(folder, context.workFolder);
      const notes = await hub.usingFor(context.jobId, model, (lease) => writers[format](lease, folder, context));
      const files = await Promise.all(
        (await entriesOf(folder)).map(async (fileName) => ({ fileName, sizeBytes: (await stat(join(folder, fileName))).size })),
      );
      return { path, files, ...(notes.length === 0 ? {} : { notes }) };
    },
  };
}

/** Notes that this job writes the folder, and removes what an attempt that was cut off wrote there. */
async function claim(folder: string, workFolder: string): Promise<void> {
  const note = join(workFolder, 'writing');
  const isOurs = (await readFile(note, 'utf8').catch(() => '')) === folder;
  if (isOurs) await rm(folder, { recursive: true, force: true });
  else await writeFile(note, folder);
}

const writers: {
  readonly [Format in ExportFormat]: (lease: ModelLease, folder: string, context: OperationContext) => Promise<readonly string[]>;
} = {
  async hf({ model, artefact }, folder, context) {
    const { padded, dropped } = await exportHuggingFace(model, artefact.tokenizerFiles, folder, {
      ...context,
      generation: artefact.generation,
    });
    const notes = [...padded, ...dropped];
    for (const item of notes) context.report({ phase: 'export', item });
    return notes;
  },
  async onnx({ model, version }, folder, context) {
    throwIfCancelled(context.signal);
    context.report({ phase: 'export', item: 'model.onnx' });
    const graph = buildTaskGraph(model, { batch: 'B', sourceLength: 'S', length: 'T' });
    try {
      await writeOnnxModel(graph, { initializers: new Map(modelInputs(model)), path: folder, name: version.name });
    } catch (error) {
      throw AppError.from(error);
    }
    return [];
  },
};

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    const known = AppError.from(error);
    if (known.code === 'file_not_found') return [];
    throw known;
  }
}
