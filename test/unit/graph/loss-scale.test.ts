// The rule of the loss scale: it doubles after enough good steps, halves when a gradient is not finite, and stays between its bounds.
import { describe, expect, it } from 'vitest';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { buildLossScaleGraph, lossScaleNames, scalarInputName } from '#graph';
import { float32, toNumbers } from '#tensor';

const engines = [
  ['reference', () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu', threads: 1 })],
] as const;

describe.each(engines)('the loss scale on the %s engine', (_, create) => {
  it('follows its rule, step by step', async () => {
    const engine = await create();
    const program = await engine.compile(buildLossScaleGraph({ growthInterval: 2, largest: 64 }));
    const state = Object.fromEntries(
      [16, 0, 0].map((value, index) => [Object.values(lossScaleNames)[index]!, engine.upload(float32([], [value]))]),
    );
    const stateAfter = async (gradientNorm: number): Promise<number[]> => {
      await program.run({ ...state, [scalarInputName('gradientNorm')]: float32([], [gradientNorm]) }, { outputs: state });
      return Object.values(lossScaleNames).map((name) => toNumbers(state[name]!.read())[0]!);
    };
    // scale, good steps since the last change, steps that were skipped
    expect(await stateAfter(1)).toEqual([16, 1, 0]);
    expect(await stateAfter(0)).toEqual([32, 0, 0]);
    expect(await stateAfter(3e38)).toEqual([32, 1, 0]);
    expect(await stateAfter(Number.POSITIVE_INFINITY)).toEqual([16, 0, 1]);
    expect(await stateAfter(Number.NaN)).toEqual([8, 0, 2]);
    for (let step = 0; step < 8; step++) await stateAfter(1);
    expect(await stateAfter(1)).toEqual([64, 1, 2]);
    for (let step = 0; step < 9; step++) await stateAfter(Number.NaN);
    expect(await stateAfter(1)).toEqual([1, 1, 11]);
    for (const buffer of Object.values(state)) buffer.release();
    await program.release();
    await engine.dispose();
  });
});
