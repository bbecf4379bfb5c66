// The command line in processes of its own: an embedded server where none answers, JSON, and errors with an exit code.
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const storyModel = path('test/fixtures/models/stories260K');

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

function athanor(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [path('src/cli/athanor.js'), ...args], (error, out, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, errors });
    });
  });
}

describe('athanor', () => {
  it('works on a store of its own where no server answers', async () => {
    const store = join(temporaryFolder(), 'store');
    // Nobody listens on port 1.
    const common = ['--server', '127.0.0.1:1', '--store', store, '--json'];
    const imported = await athanor('import', storyModel, '--name', 'story', ...common);
    expect(imported.errors).toContain('no server at 127.0.0.1:1');
    expect(JSON.parse(imported.out)).toMatchObject({
      jobId: expect.stringMatching(/^import-/),
      model: { name: 'story', architecture: 'llama' },
    });
    const generated = await athanor('generate', 'story', '--prompt', 'Once upon a time', '--max-tokens', '8', ...common);
    expect(JSON.parse(generated.out)).toMatchObject({
      text: expect.stringContaining('there was'),
      finishReason: 'length',
      usage: { generatedTokens: 8 },
    });
    const out = join(temporaryFolder(), 'hf');
    const exported = await athanor('export', 'story', '--format', 'hf', '--out', out, ...common);
    expect(exported.code).toBe(0);
    expect(await readdir(out)).toEqual(expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']));
    expect(JSON.parse((await athanor('jobs', ...common)).out)).toHaveLength(2);
  });

  it('answers HTTP beside gRPC where it is asked to, and ends both on SIGTERM', async () => {
    const server = await startServeProcess(join(temporaryFolder(), 'store'), ['--http', '127.0.0.1:0']);
    expect(server.httpUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await (await fetch(`${server.httpUrl}/health`)).json()).toEqual({ status: 'ok' });
    const answer = await fetch(`${server.httpUrl}/v1/models`);
    expect(await answer.json()).toEqual({ object: 'list', data: [] });
    expect(await server.end('SIGTERM')).toEqual([0, null]);
    const { code, errors } = await athanor(
      'serve',
      '--listen',
      '127.0.0.1:0',
      '--http',
      'nowhere',
      '--store',
      join(temporaryFolder(), 'store'),
    );
    expect(code).toBe(1);
    expect(errors).toContain('must be host:port');
  });

  it('uses the server that answers, and prints tables', async () => {
    const server = await startServeProcess(join(temporaryFolder(), 'store'));
    try {
      const common = ['--server', server.target];
      expect((await athanor('import', storyModel, '--name', 'story', '--upload', ...common)).code).toBe(0);
      const listed = await athanor('models', ...common);
      expect([listed.errors, listed.out]).toEqual(['', expect.stringMatching(/^model +version[\s\S]*\nstory +1 +llama/)]);
      expect((await athanor('show', 'story', ...common)).out).toMatch(/h\.0\.attn\.\S+ +64 x 64 +dense/);
    } finally {
      await server.end('SIGTERM');
    }
  });

  it('tells what this machine has, and what to install for what it has not', async () => {
    const { code, out } = await athanor('doctor', '--json');
    expect(code).toBe(0);
    const { node, memory, gpus, engines, advice } = JSON.parse(out) as {
      node: string;
      gpus: object[];
      memory: { limitBytes: number };
      engines: { onnx: { version: string; devices: { device: string; isUsable: boolean; problem?: string }[] } };
      advice: string[];
    };
    expect(node).toBe(process.versions.node);
    expect(memory.limitBytes).toBeGreaterThan(2 ** 28);
    expect(gpus).toBeInstanceOf(Array);
    expect(engines.onnx.devices.map(({ device }) => device)).toEqual(['cpu', 'cuda:0', 'webgpu:0']);
    expect(engines.onnx.devices[0]).toMatchObject({ isUsable: true, packedBits: expect.arrayContaining([4, 8]), nativeProducts: [] });
    for (const { device, isUsable, problem } of engines.onnx.devices) {
      expect(isUsable).toBe(problem === undefined);
      if (problem !== undefined) expect(advice).toContainEqual(expect.stringMatching(new RegExp(`${device}.*(install|Put)`, 'is')));
    }
    const text = (await athanor('doctor')).out;
    expect(text).toContain(`ONNX Runtime ${engines.onnx.version}`);
    expect(text).toMatch(/cpu +ready: .*products in float32 \(float16 and bfloat16 are rounded to, not faster\)/);
  });

  it('ends with code 1 and the error’s own code', async () => {
    const common = ['--server', '127.0.0.1:1', '--store', join(temporaryFolder(), 'store'), '--json'];
    const shown = await athanor('show', 'nobody', ...common);
    expect(shown.code).toBe(1);
    expect(JSON.parse(shown.errors.trim().split('\n').at(-1) ?? '')).toMatchObject({ error: { code: 'model_not_found' } });
    expect((await athanor('compress', 'm', '--name', 'n', '--method', 'magic', ...common)).errors).toContain('svd, whitened-svd, low-rank');
    expect((await athanor('polish')).code).toBe(1);
  });
});
