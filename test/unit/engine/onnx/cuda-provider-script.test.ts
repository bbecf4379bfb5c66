// deploy/install-cuda-provider without a network: what it takes, what it refuses, and what it says.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Ended, fakePrograms, inFront, runScript, withWheel } from '#test/fake-programs';
import { temporaryFolder } from '#test/temporary';
import { preloadCudaLibraries } from '../../../../src/engine/onnx/cuda-libraries.ts';

const script = fileURLToPath(new URL('../../../../deploy/install-cuda-provider', import.meta.url));
const version = '9.9.9';
const [cuda, shared] = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'];

/** A folder like that of onnxruntime-node. */
function runtimePackage(): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ version }));
  mkdirSync(join(folder, 'bin/napi-v6/linux/x64'), { recursive: true });
  return folder;
}

function install(
  files: Readonly<Record<string, string>> | string,
  args: readonly string[] = [],
): Ended & { kept: string; runtime: string } {
  const [kept, runtime] = [join(temporaryFolder(), 'cuda'), runtimePackage()];
  const bin = typeof files === 'string' ? files : withWheel('onnxruntime_gpu-9.9.9-py3-none-any.whl', files);
  const ended = runScript(script, [...args, kept], { ...inFront(bin), ATHANOR_ONNXRUNTIME: runtime });
  return { ...ended, kept, runtime: join(runtime, 'bin/napi-v6/linux/x64') };
}

const wheel = {
  [`onnxruntime/capi/${cuda}`]: `built as ${version}`,
  [`onnxruntime/capi/${shared}`]: 'shared',
  'onnxruntime/__init__.py': 'raise SystemExit("run")',
  'onnxruntime_gpu-9.9.9.dist-info/METADATA': 'Requires-Dist: numpy\nRequires-Dist: nvidia-cuda-runtime~=13.0; extra == "cuda"\n',
};

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('deploy/install-cuda-provider', () => {
  it('explains itself, and refuses what it does not know', () => {
    expect(runScript(script, ['--help'])).toEqual({ status: 0, said: expect.stringMatching(/^usage: .*--libraries/s) });
    expect(runScript(script, ['--rocm'])).toEqual({ status: 1, said: expect.stringContaining('there is no option --rocm') });
    expect(runScript(script, ['--nuget', '--libraries'])).toEqual({
      status: 1,
      said: expect.stringContaining('--libraries goes with the wheel'),
    });
  });

  it('puts the two libraries of the wheel in place, and nothing else of it', () => {
    const { status, said, kept, runtime } = install(wheel);
    expect([status, said]).toEqual([0, expect.stringContaining('its digest is not known here')]);
    expect(readdirSync(kept).sort()).toEqual([cuda, shared, 'libraries.txt']);
    expect(readFileSync(join(kept, 'libraries.txt'), 'utf8')).toBe('nvidia-cuda-runtime~=13.0\n');
    expect(realpathSync(join(runtime, cuda))).toBe(realpathSync(join(kept, cuda)));
    expect(readFileSync(join(runtime, shared), 'utf8')).toBe('shared');
  });

  it.each([
    ['a provider of another version', { ...wheel, [`onnxruntime/capi/${cuda}`]: 'built as 9.9.8' }, /is not of ONNX Runtime 9\.9\.9/],
    ['a wheel without a provider', { 'onnxruntime/capi/libonnxruntime.so': '' }, /the wheel has no libonnxruntime_providers_cuda\.so/],
  ])('refuses %s, and leaves nothing in place', (_, files, message) => {
    const { status, said, kept, runtime } = install(files);
    expect([status, said]).toEqual([1, expect.stringMatching(message)]);
    expect([readdirSync(kept), readdirSync(runtime)]).toEqual([[], []]);
  });

  it('says why nothing can be fetched', () => {
    const bin = fakePrograms({ python3: '[[ $3 == download ]] && { echo no network >&2; exit 1; }; exit 0' });
    const { status, said, runtime } = install(bin);
    expect([status, said]).toEqual([1, expect.stringMatching(/pip cannot fetch onnxruntime-gpu==9\.9\.9:.*no network/s)]);
    expect(readdirSync(runtime)).toEqual([]);
  });

  it('asks for the runtime first', () => {
    const nowhere = join(temporaryFolder(), 'nowhere');
    const { status, said } = runScript(script, [], { ATHANOR_ONNXRUNTIME: nowhere });
    expect([status, said]).toEqual([1, expect.stringContaining(`there is no onnxruntime-node in ${nowhere}. Run npm ci first.`)]);
  });
});

describe('preloadCudaLibraries', () => {
  it('has nothing to load where nothing was fetched, and names what does not load', () => {
    const folder = temporaryFolder();
    const provider = join(folder, cuda);
    writeFileSync(provider, '');
    expect(preloadCudaLibraries(provider)).toEqual([]);
    mkdirSync(join(folder, 'lib'));
    for (const name of ['libcublas.so.13', 'notes.txt']) writeFileSync(join(folder, 'lib', name), 'no library');
    expect(preloadCudaLibraries(provider)).toEqual([join(realpathSync(folder), 'lib', 'libcublas.so.13')]);
    expect(existsSync(provider)).toBe(true);
  });
});
