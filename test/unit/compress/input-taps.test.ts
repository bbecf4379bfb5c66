// The sums that calibration makes of layer inputs.
import { expect, it } from 'vitest';
import { Random } from '#base';
import { evaluateOnHost } from '#engine/reference';
import { GraphBuilder } from '#graph';
import { hostTensor } from '#tensor';
import { expectAllClose } from '#test/allclose';
// Not part of the public face of compression.
import { inputStatistics } from '../../../src/compress/input-taps.ts';

it.each([3, 512, 513, 1100])('makes XᵀX of %i channels from its upper half', async (width) => {
  const tokens = 3;
  const random = new Random(width);
  const rows = hostTensor(
    'float64',
    [tokens, width],
    Float64Array.from({ length: tokens * width }, () => random.normal()),
  );
  const b = new GraphBuilder();
  const graph = b.graph({ sum: inputStatistics.moments.of(b, b.input('x', 'float64', ['N', width]), width) });
  const { sum } = await evaluateOnHost(graph, { x: rows });
  const found = inputStatistics.moments.finish(Float64Array.from(sum!.data), width);
  const expected = Float64Array.from({ length: width * width }, (_, index) => {
    const [i, j] = [Math.floor(index / width), index % width];
    return Array.from({ length: tokens }, (__, row) => rows.data[row * width + i]! * rows.data[row * width + j]!).reduce((x, y) => x + y);
  });
  expectAllClose(found, expected, { absolute: 1e-12 });
  expect(found.length).toBe(width * width);
});
