// Files on their way: an uploaded folder that is written as it comes, and a folder that is sent in chunks.
import { type FileHandle, mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '#base';
import type { FileChunk, FileChunk__Output } from '../gen/athanor/v1/FileChunk.ts';
import { chunkBytes } from '../protocol.ts';

/** Files of one upload; a checkpoint has a shard for each few GiB. */
const mostFiles = 1000;

const segment = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

interface OpenFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly handle: FileHandle;
  written: number;
}

/**
 * Writes chunks to a new folder below `parent`, lends it to `work`, and removes it whatever happens.
 *
 * @throws AppError `invalid_argument` for a name that could leave the folder, for gaps and for files that are cut short; `disk_full`
 */
export async function withUploadedFolder<Result>(
  parent: string,
  chunks: AsyncIterable<FileChunk__Output>,
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'upload-'));
  try {
    await receive(folder, chunks);
    return await work(folder);
  } catch (error) {
    throw withoutFolder(AppError.from(error), folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes what uploads of an ended process left, except for what a job still reads. */
export async function removeLeftUploads(parent: string, isRead: (folder: string) => boolean): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const folder = join(parent, name);
    if (!isRead(folder)) await rm(folder, { recursive: true, force: true });
  }
}

async function receive(folder: string, chunks: AsyncIterable<FileChunk__Output>): Promise<void> {
  const seen = new Set<string>();
  let current: OpenFile | undefined;
  try {
    for await (const chunk of chunks) {
      if (current?.name !== chunk.fileName) {
        await finish(current);
        current = await begin(folder, chunk, seen);
      }
      await append(current, chunk);
    }
    await finish(current);
    current = undefined;
    if (seen.size === 0) throw new AppError('invalid_argument', 'upload: holds no file. Send config.json, tokenizer.json and the weights.');
  } finally {
    await current?.handle.close();
  }
}

async function begin(folder: string, { fileName, fileSizeBytes }: FileChunk__Output, seen: Set<string>): Promise<OpenFile> {
  const fail = (problem: string): never => {
    throw new AppError('invalid_argument', `upload: file ${JSON.stringify(fileName.slice(0, 200))}: ${problem}.`, {
      details: { field: 'chunk.file_name' },
    });
  };
  if (!fileName.split('/').every((part) => segment.test(part)))
    fail('names hold letters, digits, dot, dash and underscore, and begin with none of dot and dash');
  if (seen.has(fileName)) fail('comes twice; send the pieces of a file one after the other');
  if (seen.size >= mostFiles) fail(`is one more than the ${mostFiles} files of an upload`);
  seen.add(fileName);
  const path = join(folder, ...fileName.split('/'));
  await mkdir(dirname(path), { recursive: true });
  return { name: fileName, sizeBytes: fileSizeBytes, handle: await open(path, 'wx'), written: 0 };
}

async function append(file: OpenFile, { offsetBytes, data }: FileChunk__Output): Promise<void> {
  if (offsetBytes !== file.written || file.written + data.length > file.sizeBytes)
    throw new AppError(
      'invalid_argument',
      `upload: file "${file.name}": a piece of ${data.length} bytes at ${offsetBytes} does not follow the ${file.written} bytes before it in a file of ${file.sizeBytes}.`,
      { details: { field: 'chunk.offset_bytes' } },
    );
  await file.handle.writeFile(data);
  file.written += data.length;
}

async function finish(file: OpenFile | undefined): Promise<void> {
  if (file === undefined) return;
  await file.handle.close();
  if (file.written !== file.sizeBytes)
    throw new AppError(
      'invalid_argument',
      `upload: file "${file.name}": ${file.written} of its ${file.sizeBytes} bytes came. Send it again.`,
      {
        details: { field: 'chunk.data' },
      },
    );
}

/** The caller knows the names that it sent, not where they were put. */
function withoutFolder(error: AppError, folder: string): AppError {
  const prefix = `[${error.code}] `;
  const words = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
  const details = Object.fromEntries(
    Object.entries(error.details).map(([key, value]) => [key, typeof value === 'string' ? value.replaceAll(folder, 'upload') : value]),
  );
  return new AppError(error.code, words.replaceAll(folder, 'upload'), { details, cause: error });
}

/** The files of a folder in chunks, in the order given. */
export async function* fileChunks(folder: string, files: readonly { readonly fileName: string }[]): AsyncGenerator<FileChunk> {
  for (const { fileName } of files) {
    const handle = await open(join(folder, fileName), 'r');
    try {
      const { size: fileSizeBytes } = await handle.stat();
      let offsetBytes = 0;
      do {
        const { bytesRead, buffer } = await handle.read(
          Buffer.alloc(Math.min(chunkBytes, fileSizeBytes - offsetBytes)),
          0,
          null,
          offsetBytes,
        );
        yield { fileName, offsetBytes, fileSizeBytes, data: buffer.subarray(0, bytesRead) };
        offsetBytes += bytesRead;
      } while (offsetBytes < fileSizeBytes);
    } finally {
      await handle.close();
    }
  }
}
