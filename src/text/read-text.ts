// Reads text files, gzipped or not, as checked UTF-8 in bounded memory.
import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { AppError } from '#base';
import { firstInvalidByte, incompleteTail } from './utf8.ts';

/** How much text may still come, over all files of a data set. */
export interface ByteBudget {
  readonly limitBytes: number;
  usedBytes: number;
}

/** @throws AppError `file_not_found` | `file_not_allowed` when there is no such regular file */
export async function checkFile(path: string): Promise<void> {
  let stats: Stats;
  try {
    stats = await stat(path);
  } catch (cause) {
    const error = AppError.from(cause);
    if (error.code !== 'file_not_found') throw error;
    throw new AppError('file_not_found', `data "${path}": there is no such file on the server. Check the path.`, {
      details: { path },
      cause,
    });
  }
  if (!stats.isFile())
    throw new AppError('file_not_found', `data "${path}": is not a file. Name a .txt or .jsonl file, or a list of them.`, {
      details: { path },
    });
}

/**
 * The text of a file in chunks of about 64 KiB that end between characters. A byte order mark at the start is dropped.
 *
 * @throws AppError `bad_encoding` with the byte offset (after unpacking), `bad_data` for a damaged or too large file
 */
export async function* readText(path: string, budget: ByteBudget): AsyncGenerator<string> {
  let offset = 0;
  let carried: Uint8Array = new Uint8Array(0);
  for await (const chunk of readBytes(path, budget)) {
    const joined = carried.length === 0 ? chunk : Buffer.concat([carried, chunk]);
    const complete = joined.subarray(0, joined.length - incompleteTail(joined));
    const text = decode(complete, offset, path);
    carried = Uint8Array.from(joined.subarray(complete.length));
    if (text !== '') yield offset === 0 ? text.replace(/^\uFEFF/, '') : text;
    offset += complete.length;
  }
  decode(carried, offset, path);
}

function decode(bytes: Uint8Array, offset: number, path: string): string {
  const invalid = firstInvalidByte(bytes);
  if (invalid < 0) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const byte = (bytes[invalid] ?? 0).toString(16).padStart(2, '0');
  throw new AppError('bad_encoding', `data "${path}": byte ${offset + invalid} (0x${byte}) is not UTF-8. Store the text as UTF-8.`, {
    details: { path, byteOffset: offset + invalid },
  });
}

async function* readBytes(path: string, budget: ByteBudget): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path);
  let source: Readable = file;
  if (path.endsWith('.gz')) {
    const unpacked = createGunzip();
    file.on('error', (error) => unpacked.destroy(error));
    source = file.pipe(unpacked);
  }
  try {
    for await (const chunk of source) {
      const bytes = chunk as Uint8Array;
      budget.usedBytes += bytes.length;
      if (budget.usedBytes > budget.limitBytes)
        throw new AppError('bad_data', `data "${path}": more than ${budget.limitBytes} bytes of text. Give less, or raise maxBytes.`, {
          details: { path, maxBytes: budget.limitBytes },
        });
      yield bytes;
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const zlibCode = (cause as NodeJS.ErrnoException).code ?? '';
    if (!zlibCode.startsWith('Z_')) throw AppError.from(cause);
    const reason = (cause as Error).message;
    throw new AppError('bad_data', `data "${path}": the gzip stream is damaged: ${reason}. Copy the file again.`, {
      details: { path },
      cause,
    });
  } finally {
    file.destroy();
    source.destroy();
  }
}
