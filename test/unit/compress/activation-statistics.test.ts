// Ranges and histograms of what weights are multiplied by, and the 8-bit grids that are made of them.
import { describe, expect, it, vi } from 'vitest';
import { quietContext, Random } from '#base';
import { type InputHistogram, WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder } from '#graph';
import { causalNetwork, graphNames, type Model, modelInputs, slotName } from '#models';
import { type HostTensor, toNumbers } from '#tensor';
import { multipliedSlots } from '../../../src/compress/activation-statistics.ts';
import {
  activationGrid,
  entropyRange,
  observedRange,
  percentileRange,
  requireLive,
} from '../../../src/compress/quantize/activation-range.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = createReferenceEngine();
const calibration = new WindowCalibration(engine, tinyWindows());

/** Every number that a slot is multiplied by, over all windows. */
async function numbersOf(model: Model, slot: string): Promise<number[]> {
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', [2, 12]);
  const net = causalNetwork(b, model, tokens);
  net.logits(net.hidden(tokens));
  const program = await engine.compile(b.graph({ x: net.productInputs.get(slot)![0]! }));
  const inputs: Record<string, HostTensor> = Object.fromEntries(
    [...modelInputs(model)].filter(([name]) => program.inputNames.includes(name)),
  );
  const numbers: number[] = [];
  for await (const window of tinyWindows()()) {
    const { x } = await program.run({ ...inputs, tokens: window });
    numbers.push(...toNumbers(x!.read()));
    x!.release();
  }
  return numbers;
}

describe('statistics of activations', () => {
  const slots = [slotName('h.0.mlp.proj.weight', 'value'), slotName('embed.token.weight', 'value')];

  it('are the ranges of each channel over all windows, also those of a tied head', async () => {
    const model = tinyModel();
    const ranges = await calibration.inputRanges(model, slots, quietContext);
    expect(ranges.map(({ slot }) => slot)).toEqual(slots);
    for (const { slot, low, high } of ranges) {
      const numbers = await numbersOf(model, slot);
      for (let channel = 0; channel < low.length; channel++) {
        const own = numbers.filter((_, index) => index % low.length === channel);
        expect(low[channel]).toBeCloseTo(Math.min(0, ...own), 5);
        expect(high[channel]).toBeCloseTo(Math.max(0, ...own), 5);
      }
    }
  });

  it('are none, without a pass over the text, where nothing is multiplied', async () => {
    const compile = vi.spyOn(engine, 'compile');
    expect(await calibration.inputRanges(tinyModel(), [slotName('embed.position.weight', 'value')], quietContext)).toEqual([]);
    expect(compile).not.toHaveBeenCalled();
    compile.mockRestore();
  });

  it('count every number once, in the bin that it lies in', async () => {
    const model = tinyModel();
    const ranges = await calibration.inputRanges(model, slots, quietContext);
    for (const { slot, counts, reach } of await calibration.inputHistograms(model, ranges, quietContext)) {
      const numbers = await numbersOf(model, slot);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(numbers.length);
      const below = counts.subarray(0, counts.length / 2).reduce((sum, count) => sum + count, 0);
      expect(below).toBe(numbers.filter((value) => value < 0).length);
      expect(reach).toBeCloseTo(Math.max(...numbers.map(Math.abs)), 5);
    }
    expect(engine.counters().bufferBytes).toBe(0);
  });

  it('leave out what nothing is multiplied by', async () => {
    const position = slotName('embed.position.weight', 'value');
    expect(await calibration.inputRanges(tinyModel(), [position, ...slots.slice(0, 1)], quietContext)).toHaveLength(1);
    expect(multipliedSlots(tinyModel(gpt2Config)).has(position)).toBe(false);
    expect(multipliedSlots(tinyModel(llamaConfig)).has(slotName('head.weight', 'value'))).toBe(true);
    expect(multipliedSlots(tinyModel(llamaConfig)).has(slotName('embed.token.weight', 'value'))).toBe(false);
  });
});

/** 200,000 normal numbers and a few that are fifty times as large. */
function longTailed(): InputHistogram & { readonly numbers: readonly number[] } {
  const random = new Random(5);
  const numbers = [...Array.from({ length: 200_000 }, () => random.normal()), 50, -49, 48];
  const counts = new Float64Array(4096);
  for (const value of numbers) counts[Math.min(4095, Math.floor(((value + 50) * 4096) / 100))]! += 1;
  return { slot: 'x', counts, reach: 50, numbers };
}

describe('ranges of fixed activations', () => {
  const histogram = longTailed();
  const whole = { low: -49, high: 50 };

  it('keep the share that percentile asks for', () => {
    const { low, high } = percentileRange(histogram, 99.9);
    const inside = histogram.numbers.filter((value) => value >= low && value <= high).length / histogram.numbers.length;
    expect(inside).toBeGreaterThan(0.999);
    expect(high).toBeLessThan(4.5);
    expect(low).toBeGreaterThan(-4.5);
    expect(percentileRange(histogram, 100)).toEqual({ low: expect.closeTo(-49, 1), high: 50 });
  });

  it('cut a long tail off by entropy, and keep the rest', () => {
    const { low, high } = entropyRange(histogram, whole);
    expect(high).toBeLessThan(10);
    expect(high).toBeGreaterThan(3);
    expect(low).toBe(-high);
  });

  it('keep all of a flat distribution by entropy', () => {
    const flat = { slot: 'x', counts: new Float64Array(4096).fill(100), reach: 1 };
    expect(entropyRange(flat, { low: -1, high: 1 })).toEqual({ low: -1, high: 1 });
  });

  it('have zero on their grid', () => {
    for (const range of [whole, { low: 0, high: 3 }, { low: -2, high: 0 }]) {
      const { scale, zeroPoint } = activationGrid(range);
      expect(Number.isInteger(zeroPoint)).toBe(true);
      expect(Math.abs((255 - zeroPoint) * scale - range.high)).toBeLessThanOrEqual(scale / 2 + 1e-6);
      expect(Math.abs(-zeroPoint * scale - range.low)).toBeLessThanOrEqual(scale / 2 + 1e-6);
    }
  });

  it('are refused where nothing but zeros was seen', () => {
    const dead = { slot: 'h.0.mlp.fc.weight:value', low: new Float64Array(3), high: new Float64Array(3) };
    expect(observedRange(dead)).toEqual({ low: 0, high: 0 });
    expect(() => requireLive(dead)).toThrow(/not_enough_samples.*h\.0\.mlp\.fc\.weight.*dynamic/);
  });
});
