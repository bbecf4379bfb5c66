// A worker that dies, fails or is slow, with a binding that does so on purpose: nobody waits for ever.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { float32 } from '#tensor';
import { temporaryFolder } from '#test/temporary';
import type { Plan } from '../../../../src/engine/tensorflow/plan.ts';
import { carry } from '../../../../src/engine/tensorflow/tensor-bytes.ts';
import { WorkerLink } from '../../../../src/engine/tensorflow/worker-link.ts';

/** A binding whose functions are those of a working one, but for `changes` (source text). */
function fakeBinding(changes: Readonly<Record<string, string>>): string {
  const functions = {
    isUsingGpuDevice: '() => false',
    getNumOfTensors: '() => live',
    createTensor: '() => { live++; return 1; }',
    deleteTensor: '() => { live--; }',
    tensorDataSync: '() => Float32Array.of(7)',
    executeOp: '(name, attributes, operands, count) => { live += count; return Array.from({ length: count }, () => ({ id: 1 })); }',
    ...changes,
  };
  const path = join(temporaryFolder(), 'binding.cjs');
  const members = Object.entries(functions).map(([name, source]) => `${name}: ${source}`);
  writeFileSync(path, `let live = 0;\nmodule.exports = { TF_Version: '0.0', ${members.join(', ')} };\n`);
  return path;
}

const place = { cell: 1, view: undefined };

function write(link: WorkerLink): void {
  const tensor = carry(float32([1], [7]));
  link.send({ kind: 'write', to: { ...place, dtype: 'float32', shape: [1] }, tensor }, [tensor.carrier]);
}

const onePlan: Plan = {
  numSlots: 2,
  inputs: [0],
  fixed: [],
  constants: [],
  steps: [{ op: 'Neg', attributes: [], operands: [0], results: [1], lastUses: [], place: 'here' }],
  outputs: [1],
};

const result = { cell: 2, view: undefined, dtype: 'float32', shape: [1] } as const;

function run(link: WorkerLink): Promise<void> {
  link.send({ kind: 'plan', plan: 1, steps: onePlan });
  return link.run({ plan: 1, inputs: [place], results: [result] }, [], 'run "test"', undefined);
}

describe('a worker', () => {
  it('answers, runs, and ends', async () => {
    const link = await WorkerLink.start(fakeBinding({}), '');
    write(link);
    expect(new Float32Array((link.ask({ kind: 'read', from: place }) as { bytes: ArrayBuffer }).bytes)).toEqual(Float32Array.of(7));
    await run(link);
    expect(link.ask({ kind: 'countTensors' })).toEqual({ kind: 'count', count: 2 });
    await link.end();
    await link.end();
    link.send({ kind: 'drop', cell: 1 });
    expect(() => link.ask({ kind: 'countTensors' })).toThrow(/engine_failure.*ended/);
    await expect(run(link)).rejects.toThrow(/engine_failure.*run "test".*ended/);
  });

  it('that dies in a read leaves nobody waiting', async () => {
    const link = await WorkerLink.start(fakeBinding({ tensorDataSync: '() => process.exit(3)' }), '');
    write(link);
    expect(() => link.ask({ kind: 'read', from: place })).toThrow(/engine_failure.*its thread has ended/);
    await link.end();
  });

  it('that dies in a run fails that run and those that wait, and what comes after', async () => {
    const link = await WorkerLink.start(fakeBinding({ executeOp: '() => process.exit(3)' }), '');
    write(link);
    const runs = await Promise.allSettled([run(link), run(link)]);
    for (const { status, reason } of runs as PromiseRejectedResult[]) {
      expect(status).toBe('rejected');
      expect(reason).toMatchObject({ code: 'engine_failure', message: expect.stringMatching(/run "test".*thread has ended/) });
    }
    await expect(run(link)).rejects.toThrow(/ended/);
    await link.end();
  });

  it('tells who uses a tensor that it could not be made, and nobody else', async () => {
    const failure = "() => { throw new Error('Invalid TF_Status: 8\\nMessage: no room'); }";
    const link = await WorkerLink.start(fakeBinding({ createTensor: failure }), '');
    write(link);
    expect(link.ask({ kind: 'countTensors' })).toMatchObject({ count: 0 });
    expect(() => link.ask({ kind: 'read', from: place })).toThrow(/^\[out_of_memory\] TensorFlow: no room$/);
    await expect(run(link)).rejects.toThrow(/^\[out_of_memory\] run "test": no room$/);
    await link.end();
  });

  it('says where a run failed, and keeps none of its tensors', async () => {
    const failure = "() => { throw new Error('Invalid TF_Status: 3\\nMessage: shapes differ'); }";
    const link = await WorkerLink.start(fakeBinding({ executeOp: failure }), '');
    write(link);
    await expect(run(link)).rejects.toThrow(/^\[engine_failure\] run "test": here \(Neg\): shapes differ$/);
    expect(link.ask({ kind: 'countTensors' })).toMatchObject({ count: 1 });
    await link.end();
  });

  it('does not begin with a binding that throws', async () => {
    const path = join(temporaryFolder(), 'binding.cjs');
    writeFileSync(path, "throw new Error('libmissing.so: cannot open');");
    await expect(WorkerLink.start(path, 'Do this.')).rejects.toThrow(
      /^\[provider_missing\] TensorFlow: \S+ cannot be loaded: libmissing\.so: cannot open Do this\.$/,
    );
    writeFileSync(path, 'process.exit(0);');
    await expect(WorkerLink.start(path, '')).rejects.toThrow(/its thread ended/);
  });
});
