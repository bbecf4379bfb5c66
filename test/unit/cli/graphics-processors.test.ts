// What the driver's list of GPUs means.
import { expect, it } from 'vitest';
import { parseGraphicsProcessors } from '../../../src/cli/graphics-processors.ts';

it('reads names, memory and driver of GPUs, and nothing from what is no list', () => {
  expect(parseGraphicsProcessors('NVIDIA H100 80GB HBM3, 81559, 81080, 580.82\nTesla T4, 15360, [N/A], 580.82\n')).toEqual([
    { name: 'NVIDIA H100 80GB HBM3', totalBytes: 81559 * 2 ** 20, freeBytes: 81080 * 2 ** 20, driver: '580.82' },
  ]);
  expect(parseGraphicsProcessors('No devices were found\n')).toEqual([]);
});
