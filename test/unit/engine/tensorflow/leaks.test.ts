// Long life on tensorflow: tensors and memory stay constant over a thousand steps, and engines give all back.
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { logitObjective } from '#distill';
import { GraphBuilder } from '#graph';
import { float32, hostTensor, int64 } from '#tensor';
import { linkedTensorflow, linkTimeoutMs } from '#test/linked-tensorflow';
import { repositoryRoot } from '#test/shared';
import { tensorflowEngine, tensorflowForSuite } from '#test/tensorflow';
import { type Objective, Trainer } from '#train';
import { gpt2, llama, tinyModel, tinySettings } from '../../train/tiny-training.ts';

const numSteps = 1000;
const tokens = int64([2, 5], [1, 5, 9, 3, 0, 7, 28, 2, 2, 11]);
const labels = int64([2, 5], [5, 9, 3, 0, 4, 28, 2, 2, 11, 6]);

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

describe('tensors on tensorflow', () => {
  const engine = tensorflowForSuite();

  it('are as many after a thousand steps of distillation as after ten, with the parameters where they were', async () => {
    const empty = engine().numTensors();
    const settings = tinySettings({ steps: numSteps, batchSize: 2, sequenceLength: 5 });
    const objective = logitObjective(engine(), tinyModel(llama, 2), { temperature: 2, alpha: 0.5 });
    const trainer = await Trainer.create(engine(), tinyModel(gpt2, 1), objective as Objective, settings);
    const batch = [{ tokens, labels }];
    const counts = new Set<number>();
    const moved = new Set<number>();
    for (let step = 1; step <= numSteps; step++) {
      const before = engine().counters().hostToDeviceBytes;
      await trainer.run(batch, quietContext.signal);
      if (step >= 10 && step % 10 === 0) {
        counts.add(engine().numTensors());
        moved.add(engine().counters().hostToDeviceBytes - before);
      }
    }
    expect([...counts]).toHaveLength(1);
    // Tokens, labels and a few scalars go to the device, never a parameter (the smallest model has 1,000 of them).
    expect([...moved]).toHaveLength(1);
    expect(Math.max(...moved)).toBeLessThan(1000);
    await trainer.dispose();
    objective.release();
    expect(engine().counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
    expect(engine().numTensors()).toBe(empty);
  });

  it('that are changed in parts take no more memory after a thousand changes', async () => {
    const size = 1 << 20; // 4 MB
    const b = new GraphBuilder();
    const program = await engine().compile(b.graph({ y: b.add(b.input('x', 'float32', ['N']), 1) }));
    const whole = engine().upload(hostTensor('float32', [size], new Float32Array(size)));
    let [tensors, afterWarmUp] = [0, 0];
    for (let step = 0; step < numSteps; step++) {
      const part = whole.part((step % 8) * (size >> 3), size >> 3);
      await program.run({ x: part }, { outputs: { y: part } });
      part.release();
      if (step === 100) [tensors, afterWarmUp] = [engine().numTensors(), residentBytes()];
    }
    expect(engine().numTensors()).toBe(tensors);
    // A copy that was kept would be 4 MB a step.
    expect(residentBytes() - afterWarmUp).toBeLessThan(100e6);
    expect(new Set(whole.read().data as Float32Array)).toEqual(new Set([numSteps / 8]));
    whole.release();
    await program.release();
  });

  it('that only a run makes and reads are gone when it ends', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['N', 8]);
    const [y] = b.layerNorm(x, b.constant(float32([8], new Array(8).fill(1))), b.constant(float32([8], new Array(8).fill(0))), 1e-5);
    const program = await engine().compile(b.graph({ y }));
    const run = async (): Promise<void> => {
      const results = await program.run({ x: hostTensor('float32', [3, 8], new Float32Array(24).fill(2)) });
      results['y']?.release();
    };
    await run();
    const tensors = engine().numTensors();
    await run();
    expect(engine().numTensors()).toBe(tensors);
    await program.release();
  });
});

describe('engines on tensorflow', () => {
  it(
    'of which two were there at once let the process end in peace',
    async (context) => {
      const linked = await linkedTensorflow();
      if ('missing' in linked) return context.skip(linked.missing);
      const program = `
      import { createTensorflowEngine } from '#engine/tensorflow';
      const [first, second] = [await createTensorflowEngine(), await createTensorflowEngine()];
      await first.dispose();
      await second.dispose();
    `;
      const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
        cwd: repositoryRoot,
        env: { ...process.env, ATHANOR_TENSORFLOW: linked.folder },
      });
      expect([child.status, child.signal]).toEqual([0, null]);
    },
    linkTimeoutMs,
  );

  it('come and go without leaving memory behind', async (context) => {
    let afterWarmUp = 0;
    for (let index = 0; index < 8; index++) {
      const made = await tensorflowEngine();
      if ('missing' in made) return context.skip(made.missing);
      const buffer = made.upload(hostTensor('float32', [1 << 22], new Float32Array(1 << 22))); // 17 MB
      const program = await made.compile(new GraphBuilder().graph({}));
      expect(buffer.read().data).toHaveLength(1 << 22);
      await made.dispose();
      expect(made.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
      await program.release();
      if (index === 3) afterWarmUp = residentBytes();
    }
    expect(residentBytes() - afterWarmUp).toBeLessThan(50e6);
  });
});
