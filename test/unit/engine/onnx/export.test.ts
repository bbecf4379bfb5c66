// Exported models: files that other ONNX tools read and run to the same numbers.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { type Graph, GraphBuilder } from '#graph';
import { float32, type HostTensor, hostTensor } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { temporaryFolder } from '#test/temporary';

const width = 32;

/** A small gated block with every kind of operator that export treats specially. */
function block(): { graph: Graph; weights: Map<string, HostTensor> } {
  const b = new GraphBuilder('block');
  const x = b.input('x', 'float32', ['B', 'T', width]);
  const weights = new Map<string, HostTensor>();
  const weight = (name: string, shape: number[], scale: number) => {
    const length = shape.reduce((product, size) => product * size, 1);
    weights.set(
      name,
      float32(
        shape,
        Float32Array.from({ length }, (_, index) => scale * Math.sin(index * 1.7)),
      ),
    );
    return b.input(name, 'float32', shape);
  };
  const [normal] = b.rmsNorm(x, weight('gain', [width], 1), 1e-5);
  const inner = b.mul(b.silu(b.matmul(normal, weight('gate', [width, 64], 0.3))), b.matmul(normal, weight('up', [width, 64], 0.3)));
  const y = b.add(x, b.matmul(inner, weight('down', [width, 64], 0.3), { transposeB: true }));
  const [z] = b.layerNorm(b.geluTanh(y), weight('scale', [width], 1), weight('shift', [width], 0.1), 1e-5);
  return { graph: b.graph({ y: z, flat: b.reshape(z, ['B*T', width]) }), weights };
}

const input = float32(
  [2, 3, width],
  Float32Array.from({ length: 6 * width }, (_, index) => Math.cos(index)),
);

async function ownResult(graph: Graph, weights: Map<string, HostTensor>): Promise<ArrayLike<number>> {
  const engine = await createOnnxEngine();
  const program = await engine.compile(graph, { frozen: weights });
  const results = await program.run({ x: input });
  const data = results['y']?.read().data as Float32Array;
  await engine.dispose();
  return data;
}

describe('writeOnnxModel', () => {
  it('writes a model and its weights beside it, and leaves nothing else', async () => {
    const folder = temporaryFolder();
    const { graph, weights } = block();
    const numBytes = await writeOnnxModel(graph, { initializers: weights, path: folder, name: 'block' });
    expect(readdirSync(folder).sort()).toEqual(['model.onnx', 'model.onnx.data']);
    const sizes = readdirSync(folder).map((file) => statSync(join(folder, file)).size);
    expect(sizes.reduce((total, size) => total + size)).toBe(numBytes);
    const data = await readFile(join(folder, 'model.onnx.data'));
    const [gate] = [weights.get('gate')?.data as Float32Array];
    expect(new Float32Array(data.buffer, data.byteOffset, gate.length)).toEqual(gate);
  });

  it('writes what another ONNX Runtime interface runs to the same numbers', async () => {
    const folder = temporaryFolder();
    const { graph, weights } = block();
    await writeOnnxModel(graph, { initializers: weights, path: folder, name: 'block' });
    const session = await InferenceSession.create(join(folder, 'model.onnx'));
    expect(session.inputNames).toEqual(['x']);
    expect(session.outputNames).toEqual(['y', 'flat']);
    const results = await session.run({ x: new Tensor('float32', input.data, input.shape) });
    expect(results['flat']?.dims).toEqual([6, width]);
    expectAllClose(results['y']?.data as Float32Array, await ownResult(graph, weights), { absolute: 1e-5 });
    await session.release();
  });

  it("passes Python's checker and runs in Python", async (context) => {
    const python = process.env['ATHANOR_TEST_PYTHON'];
    if (python === undefined) return context.skip('ATHANOR_TEST_PYTHON names no Python with onnx and onnxruntime');
    const folder = temporaryFolder();
    const { graph, weights } = block();
    await writeOnnxModel(graph, { initializers: weights, path: folder, name: 'block' });
    const script = `
import sys, json, numpy, onnx, onnxruntime
path = sys.argv[1] + '/model.onnx'
onnx.checker.check_model(path, full_check=True)
x = numpy.cos(numpy.arange(${6 * width})).astype(numpy.float32).reshape(2, 3, ${width})
print(json.dumps(onnxruntime.InferenceSession(path).run(['y'], {'x': x})[0].ravel().tolist()))
`;
    const output = execFileSync(python, ['-c', script, folder], { encoding: 'utf8' });
    expectAllClose(JSON.parse(output) as number[], await ownResult(graph, weights), { absolute: 1e-5 });
  });

  it('replaces an older model in the same folder', async () => {
    const folder = temporaryFolder();
    const { graph, weights } = block();
    await writeOnnxModel(graph, { initializers: weights, path: folder, name: 'block' });
    const other = new Map(weights).set('gain', hostTensor('float32', [width]));
    await writeOnnxModel(graph, { initializers: other, path: folder, name: 'block' });
    const session = await InferenceSession.create(join(folder, 'model.onnx'));
    const results = await session.run({ x: new Tensor('float32', input.data, input.shape) });
    expectAllClose(results['y']?.data as Float32Array, await ownResult(graph, other), { absolute: 1e-5 });
    expect(readdirSync(folder)).toHaveLength(2);
  });
});

describe('dumps and profiles', () => {
  it('write the text and the model of every compiled graph, and a profile of its runs', async () => {
    const folder = temporaryFolder();
    const engine = await createOnnxEngine({ dumpFolder: folder, profileFolder: folder });
    const { graph, weights } = block();
    const program = await engine.compile(graph, { name: 'my block', frozen: weights });
    (await program.run({ x: input }))['y']?.release();
    await engine.dispose();
    const files = readdirSync(folder).map((file) => file.replace(/\d+/g, 'N'));
    expect(files.some((file) => /^N-my-block\.txt$/.test(file))).toBe(true);
    expect(files.some((file) => /^N-my-block\.onnx$/.test(file))).toBe(true);
    expect(files.some((file) => /^my-block.*\.json$/.test(file))).toBe(true);
  });
});
