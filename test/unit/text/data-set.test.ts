// Data sets on disk: kinds of file, documents, and every fault with its place.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '#base';
import { temporaryFolder } from '#test/temporary';
import { openText, type TextOptions, textFromStrings } from '#text';

function write(name: string, content: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, name.endsWith('.gz') ? gzipSync(content) : content);
  return path;
}

async function read(paths: string | readonly string[], options?: TextOptions): Promise<string[]> {
  const documents: string[] = [];
  for await (const text of (await openText(paths, options)).documents()) documents.push(text);
  return documents;
}

async function fault(action: Promise<unknown>): Promise<AppError> {
  const error = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AppError)) throw new Error(`expected an AppError, got ${String(error)}`);
  return error;
}

describe('.txt', () => {
  it('is one document when it has no separator', async () => {
    expect(await read(write('a.txt', 'one\n\ntwo\n'))).toEqual(['one\n\ntwo\n']);
  });

  it('is cut at lines that are exactly the separator', async () => {
    const text = 'a\n<|endoftext|>\n<|endoftext|>\nb <|endoftext|>\n <|endoftext|>\nc\n<|endoftext|>';
    expect(await read(write('a.txt', text))).toEqual(['a', 'b <|endoftext|>\n <|endoftext|>\nc']);
  });

  it('may end its lines with CRLF', async () => {
    expect(await read(write('a.txt', 'a\r\nb\r\n<|endoftext|>\r\nc\r\n'))).toEqual(['a\r\nb', 'c\r\n']);
  });

  it('is one document with every byte when asked', async () => {
    const text = '<|endoftext|>\na\n<|endoftext|>\nb\n';
    expect(await read(write('a.txt.gz', text), { documents: 'whole' })).toEqual([text]);
  });

  it('keeps any text, however its lines fall on the chunks', async () => {
    const line = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom('é'.repeat(70_000), 'x'.repeat(65_535), '', '\r'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
        const text = lines.map((each) => Buffer.from(each).toString()).join('\n');
        fc.pre(text !== '' && !text.startsWith('\uFEFF'));
        expect(await read(write('a.txt', text))).toEqual([text]);
      }),
      { numRuns: 40 },
    );
  });

  it('comes in pieces of bounded size', async () => {
    const source = await openText(write('a.txt', `${'word '.repeat(20)}\n`.repeat(4000)));
    const lengths: number[] = [];
    for await (const piece of source.pieces()) lengths.push(piece.text.length);
    expect(lengths.length).toBeGreaterThan(4);
    expect(Math.max(...lengths)).toBeLessThan(140_000);
  });

  it('loses a byte order mark', async () => {
    expect(await read(write('a.txt', '\uFEFFa\uFEFF'))).toEqual(['a\uFEFF']);
  });
});

describe('.jsonl', () => {
  it('gives the text field of each row', async () => {
    expect(await read(write('a.jsonl', '{"text":"a\\nb"}\n\n{"text":"c"}'))).toEqual(['a\nb', 'c']);
    expect(await read(write('a.jsonl.gz', '{"body":"x"}\r\n'), { field: 'body' })).toEqual(['x']);
  });

  it.each([
    ['{"text":"a"}\n{"text":', /row 2: is not JSON: "\{"text":"/],
    ['{"text":"a"}\n[1]', /row 2: is not a JSON object/],
    ['{"body":"a","id":1}', /row 1: field "text" is missing; the row has: body, id/],
    ['{"text":7}', /row 1: field "text" is not a text/],
  ])('names the row that is wrong in %j', async (content, message) => {
    const error = await fault(read(write('a.jsonl', content)));
    expect(error.code).toBe('bad_data');
    expect(error.message).toMatch(message);
  });
});

describe('several files', () => {
  it('follow each other, each ending its last document', async () => {
    expect(await read([write('a.txt', 'a'), write('b.jsonl', '{"text":"b"}'), write('c.txt.gz', 'c')])).toEqual(['a', 'b', 'c']);
  });
});

describe('faults', () => {
  it('of the path are found when it is opened', async () => {
    const folder = join(temporaryFolder(), 'folder.txt');
    mkdirSync(folder);
    expect((await fault(openText('/nowhere/a.txt'))).code).toBe('file_not_found');
    expect((await fault(openText(folder))).message).toMatch(/file_not_found.*is not a file/);
    expect((await fault(openText('a.parquet'))).message).toMatch(/bad_data.*unknown kind of file/);
    expect((await fault(openText([]))).code).toBe('invalid_argument');
  });

  it('of the encoding carry the byte offset', async () => {
    const bytes = Buffer.concat([Buffer.from('é'.repeat(50_000)), Buffer.from([0xc3, 0x28])]);
    const error = await fault(read(write('a.txt', bytes)));
    expect([error.code, error.details['byteOffset']]).toEqual(['bad_encoding', 100_000]);
    const cut = await fault(read(write('a.txt.gz', Buffer.from('ab€').subarray(0, 4))));
    expect(cut.details['byteOffset']).toBe(2);
    expect((await fault(read(write('a.txt', Buffer.from('\uFEFFtext', 'utf16le'))))).details['byteOffset']).toBe(0);
  });

  it('of empty data are named', async () => {
    for (const content of ['', '<|endoftext|>\n<|endoftext|>'])
      expect((await fault(read(write('a.txt', content)))).code).toBe('empty_data');
    expect((await fault(read(write('a.jsonl', '\n{"text":""}\n')))).code).toBe('empty_data');
  });

  it('of damaged gzip files are named', async () => {
    const folder = temporaryFolder();
    const packed = gzipSync('text '.repeat(1000));
    writeFileSync(join(folder, 'cut.txt.gz'), packed.subarray(0, packed.length - 10));
    writeFileSync(join(folder, 'plain.txt.gz'), 'not packed');
    expect((await fault(read(join(folder, 'cut.txt.gz')))).message).toMatch(/bad_data.*gzip stream is damaged/);
    expect((await fault(read(join(folder, 'plain.txt.gz')))).message).toMatch(/bad_data.*gzip stream is damaged/);
  });

  it('of a gzip bomb stop at the limit', async () => {
    const bomb = write('a.txt.gz', Buffer.alloc(20_000_000, 97));
    const error = await fault(read(bomb, { maxBytes: 1_000_000 }));
    expect(error.message).toMatch(/bad_data.*more than 1000000 bytes.*raise maxBytes/);
  });

  it('of a cancelled reader are cancelled', async () => {
    const source = await openText(write('a.txt', 'a\nb\n'));
    const pieces = source.pieces(AbortSignal.abort());
    expect((await fault(pieces.next())).code).toBe('cancelled');
  });
});

describe('texts in memory', () => {
  it('are documents too, without the empty ones', async () => {
    const documents: string[] = [];
    for await (const text of textFromStrings(['a', '', 'b']).documents()) documents.push(text);
    expect(documents).toEqual(['a', 'b']);
  });
});
