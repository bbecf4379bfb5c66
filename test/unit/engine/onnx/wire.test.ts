// The wire writer against an independent reader of the protobuf wire format.
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { float32 } from '#tensor';
import { writeModel } from '../../../../src/engine/onnx/onnx-proto.ts';
import { MessageWriter } from '../../../../src/engine/onnx/wire.ts';

function bytesOf(message: MessageWriter): Uint8Array {
  const bytes = new Uint8Array(message.sizeBytes);
  message.copyTo(bytes);
  return bytes;
}

type Field = readonly [number, bigint | number | Uint8Array];

function fields(bytes: Uint8Array): Field[] {
  const reader = new BinaryReader(bytes);
  const found: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.Varint) found.push([number, BigInt(reader.int64())]);
    else if (type === WireType.Bit32) found.push([number, reader.float()]);
    else found.push([number, reader.bytes()]);
  }
  return found;
}

const text = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString('utf8');
const child = (found: readonly Field[], number: number): Field[] => fields(found.find(([field]) => field === number)?.[1] as Uint8Array);

describe('the wire writer', () => {
  it.each([0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, -5])('writes the integer %d', (value) => {
    expect(fields(bytesOf(new MessageWriter().integer(3, value)))).toEqual([[3, BigInt(value)]]);
  });

  it('writes floats, texts and bytes of any length in order', () => {
    const large = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
    const message = new MessageWriter().float(1, 0.5).text(2, 'grün').bytes(3, large).bytes(4, new Uint8Array(0)).integer(5, 7);
    const found = fields(bytesOf(message));
    expect(found.map(([number]) => number)).toEqual([1, 2, 3, 4, 5]);
    expect(found[0]?.[1]).toBe(0.5);
    expect(text(found[1]?.[1])).toBe('grün');
    expect(found[2]?.[1]).toEqual(large);
  });

  it('keeps large bytes as references instead of copying them', () => {
    const large = new Uint8Array(1 << 20);
    const inner = new MessageWriter().bytes(1, large);
    const chunks = new MessageWriter().message(9, inner).chunks();
    expect(chunks.some((chunk) => chunk.buffer === large.buffer)).toBe(true);
  });

  it('nests messages whose sizes are right', () => {
    const inner = new MessageWriter().text(1, 'x'.repeat(1000)).integer(2, 5);
    const found = fields(bytesOf(new MessageWriter().integer(1, 1).message(2, inner).integer(3, 3)));
    expect(found.map(([number]) => number)).toEqual([1, 2, 3]);
    expect(child(found, 2).map(([number]) => number)).toEqual([1, 2]);
  });
});

describe('an ONNX model', () => {
  it('has the fields of onnx.proto', () => {
    const model = writeModel({
      name: 'tiny',
      nodes: [{ opType: 'Softmax', domain: '', name: 'n', inputs: ['x'], outputs: ['y'], attributes: { axis: -1 } }],
      initializers: [
        { name: 'w', tensor: float32([2], [1, 2]) },
        { name: 'far', tensor: float32([2], [1, 2]), external: { file: 'model.onnx.data', offset: 4096, sizeBytes: 8 } },
      ],
      inputs: [{ name: 'x', dtype: 'float32', shape: ['B', 3] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['B', 3] }],
    });
    const whole = fields(bytesOf(model));
    expect(whole[0]).toEqual([1, 10n]); // ir_version
    const graph = child(whole, 7);
    expect(graph.map(([number]) => number)).toEqual([1, 2, 5, 5, 11, 12]);
    const node = child(graph, 1);
    expect(node.map(([number, value]) => [number, number === 5 ? '' : text(value)])).toEqual([
      [1, 'x'],
      [2, 'y'],
      [3, 'n'],
      [4, 'Softmax'],
      [5, ''],
    ]);
    expect(child(node, 5).slice(1)).toEqual([
      [3, -1n],
      [20, 2n],
    ]);
    const [near = [], far = []] = graph.filter(([number]) => number === 5).map(([, value]) => fields(value as Uint8Array));
    expect(near.map(([number]) => number)).toEqual([1, 2, 8, 9]);
    const entries = far.filter(([number]) => number === 13).map(([, value]) => fields(value as Uint8Array).map(([, word]) => text(word)));
    expect(entries).toEqual([
      ['location', 'model.onnx.data'],
      ['offset', '4096'],
      ['length', '8'],
    ]);
    expect(far.at(-1)).toEqual([14, 1n]);
  });
});
