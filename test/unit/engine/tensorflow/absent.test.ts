// Where TensorFlow is not there, or is broken: who asks for it is told what to do, and everybody else works.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openEngine } from '#engine/open';
import { createTensorflowEngine, inspectTensorflow } from '#engine/tensorflow';
import { GraphBuilder } from '#graph';
import { float32 } from '#tensor';
import { linkedTensorflow, linkTimeoutMs } from '#test/linked-tensorflow';
import { temporaryFolder } from '#test/temporary';
import { doctorText, examine } from '../../../../src/cli/doctor.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('without TensorFlow', () => {
  it('says where it was looked for, and how to get it', async () => {
    const folder = temporaryFolder();
    await expect(createTensorflowEngine({ environment: { ATHANOR_TENSORFLOW: folder } })).rejects.toThrow(
      `[provider_missing] device tensorflow: TensorFlow is not linked: there is no tfjs_binding.node in ${folder}. Run \`deploy/link-tensorflow\``,
    );
    const home = temporaryFolder();
    await expect(createTensorflowEngine({ environment: { XDG_DATA_HOME: home } })).rejects.toThrow(join(home, 'athanor', 'tensorflow'));
  });

  it('takes no other for one that is named and missing', async () => {
    const home = temporaryFolder();
    mkdirSync(join(home, 'athanor', 'tensorflow'), { recursive: true });
    writeFileSync(join(home, 'athanor', 'tensorflow', 'tfjs_binding.node'), 'another one');
    const empty = temporaryFolder();
    const environment = { XDG_DATA_HOME: home, ATHANOR_TENSORFLOW: empty };
    expect(await inspectTensorflow(environment)).toEqual({ isUsable: false, problem: expect.stringContaining(`in ${empty}. Run`) });
    expect(await inspectTensorflow({ XDG_DATA_HOME: home })).toMatchObject({ path: expect.stringContaining(home) });
  });

  it('says what the system says of a binding that does not load', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'tfjs_binding.node'), 'nothing that could be loaded');
    await expect(createTensorflowEngine({ environment: { ATHANOR_TENSORFLOW: folder } })).rejects.toThrow(
      /^\[provider_missing\] TensorFlow: \S+tfjs_binding\.node cannot be loaded: .*(invalid ELF header|file too short).*Run `deploy\/link-tensorflow`/s,
    );
    expect(await inspectTensorflow({ ATHANOR_TENSORFLOW: folder })).toMatchObject({
      isUsable: false,
      path: join(folder, 'tfjs_binding.node'),
      problem: expect.stringContaining('cannot be loaded'),
    });
  });

  it(
    'misses the libraries of a binding that was moved away from them',
    async (context) => {
      const linked = await linkedTensorflow();
      if ('missing' in linked) return context.skip(linked.missing);
      const folder = temporaryFolder();
      copyFileSync(join(linked.folder, 'tfjs_binding.node'), join(folder, 'tfjs_binding.node'));
      await expect(createTensorflowEngine({ environment: { ATHANOR_TENSORFLOW: folder } })).rejects.toThrow(
        /provider_missing.*libtensorflow_\w+\.so\.2: cannot open shared object file/,
      );
    },
    linkTimeoutMs,
  );

  it('is told by doctor, while onnx works', async () => {
    vi.stubEnv('ATHANOR_TENSORFLOW', temporaryFolder());
    const report = await examine();
    const { engines, advice } = report;
    expect(doctorText(report)).toMatch(/^tensorflow not available$/m);
    expect(engines.tensorflow.isUsable).toBe(false);
    expect(advice).toContainEqual(expect.stringMatching(/TensorFlow is not linked.*link-tensorflow.*optional/));
    expect(engines.onnx.devices[0]).toMatchObject({ device: 'cpu', isUsable: true });
  });
});

describe('with TensorFlow', () => {
  it(
    'doctor says which, where, and on what device',
    async (context) => {
      const linked = await linkedTensorflow();
      if ('missing' in linked) return context.skip(linked.missing);
      vi.stubEnv('ATHANOR_TENSORFLOW', linked.folder);
      const report = await examine();
      expect(report.engines.tensorflow).toEqual({
        isUsable: true,
        path: join(linked.folder, 'tfjs_binding.node'),
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        device: expect.stringMatching(/^tensorflow:(cpu|gpu)$/),
      });
      expect(report.advice.join()).not.toContain('TensorFlow');
      expect(doctorText(report)).toMatch(/^tensorflow TensorFlow \d+\.\d+\.\d+, tensorflow:(cpu|gpu) ready$/m);
    },
    linkTimeoutMs,
  );
});

describe('openEngine', () => {
  it('opens onnx without TensorFlow, and names it for tensorflow', async () => {
    vi.stubEnv('ATHANOR_TENSORFLOW', temporaryFolder());
    const engine = await openEngine();
    expect([engine.name, engine.device]).toEqual(['onnx', 'cpu']);
    await engine.dispose();
    for (const device of ['tensorflow', 'tensorflow:cpu', 'tensorflow:gpu'])
      await expect(openEngine({ device })).rejects.toThrow(`[provider_missing] device ${device}: TensorFlow is not linked`);
  });

  it('refuses devices and threads that make no sense', async () => {
    await expect(openEngine({ device: 'tensorflow:tpu' })).rejects.toThrow(/invalid_argument.*tensorflow, tensorflow:cpu, tensorflow:gpu/);
    await expect(openEngine({ device: 'tpu' })).rejects.toThrow(/invalid_argument.*"tpu"/);
    await expect(openEngine({ device: 'tensorflow', threads: 0 })).rejects.toThrow(/invalid_argument.*threads/);
  });

  it(
    'opens tensorflow by a name that opens it again',
    async (context) => {
      const linked = await linkedTensorflow();
      if ('missing' in linked) return context.skip(linked.missing);
      vi.stubEnv('ATHANOR_TENSORFLOW', linked.folder);
      const before = { ...process.env };
      const engine = await openEngine({ device: 'tensorflow', threads: 1 });
      expect(process.env).toEqual(before);
      expect(engine.name).toBe('tensorflow');
      const again = await openEngine({ device: engine.device });
      const b = new GraphBuilder();
      const program = await again.compile(b.graph({ y: b.neg(b.input('x', 'float32', [1])) }));
      // Each has memory of its own.
      await expect(program.run({ x: engine.upload(float32([1], [1])) })).rejects.toThrow(/another engine/);
      await Promise.all([engine.dispose(), again.dispose()]);
      if (engine.device !== 'tensorflow:cpu') return;
      await expect(openEngine({ device: 'tensorflow:gpu' })).rejects.toThrow(/provider_missing.*sees no GPU.*--gpu/);
    },
    linkTimeoutMs,
  );
});
