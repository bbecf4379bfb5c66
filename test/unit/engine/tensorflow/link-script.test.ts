// deploy/link-tensorflow where something is missing: it says what, and leaves nothing behind.
import { chmodSync, existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Ended, fakePrograms, inFront, realProgram, runScript, withWheel } from '#test/fake-programs';
import { linkScript } from '#test/linked-tensorflow';
import { temporaryFolder } from '#test/temporary';

const link = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Ended =>
  runScript(linkScript, args, environment);

const withFiles = (files: Readonly<Record<string, string>>): string => withWheel('tensorflow_cpu-9.9.9-py3-none-any.whl', files);

const headers = ['c/c_api.h', 'c/eager/c_api.h', 'c/tf_datatype.h', 'c/tf_status.h', 'c/tf_tensor.h', 'core/platform/ctstring_internal.h'];

describe.skipIf(process.platform !== 'linux')('deploy/link-tensorflow', () => {
  it('explains itself, and refuses what it does not know', () => {
    expect(link(['--help'])).toEqual({ status: 0, said: expect.stringMatching(/^usage: .*--gpu/s) });
    expect(link(['--tpu'])).toEqual({ status: 1, said: expect.stringContaining('there is no option --tpu') });
    expect(link(['--version', 'newest'])).toEqual({ status: 1, said: expect.stringContaining('"newest" is not of the form X.Y.Z') });
    expect(link(['--version'])).toEqual({ status: 1, said: expect.stringContaining('"" is not of the form') });
  });

  it('lists all that the machine lacks at once', () => {
    const empty = temporaryFolder();
    const tools = temporaryFolder();
    for (const name of ['bash', 'dirname', 'uname', 'node', 'env']) symlinkSync(realProgram(name), join(tools, name));
    const folder = join(temporaryFolder(), 'linked');
    const { status, said } = link([folder], { PATH: tools, CXX: 'no-such-compiler', NODE_INCLUDE: empty });
    expect(status).toBe(1);
    for (const lack of [
      'no-such-compiler: install',
      'nm: install binutils',
      'npm: install',
      'python3: install',
      'node_api.h: there is none in',
    ])
      expect(said).toContain(`- ${lack}`);
    expect(existsSync(folder)).toBe(false);
  });

  it('does not touch a folder with other contents', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'thesis.txt'), 'years of work');
    expect(link([folder])).toEqual({ status: 1, said: expect.stringContaining(`${folder} holds something else`) });
    expect(readdirSync(folder)).toEqual(['thesis.txt']);
  });

  it('refuses a package that is not the known one', () => {
    const parent = temporaryFolder();
    const npm = 'echo something else > tensorflow-tfjs-node-4.22.0.tgz';
    const { status, said } = link([join(parent, 'linked')], inFront(fakePrograms({ npm })));
    expect([status, said]).toEqual([1, expect.stringMatching(/the package is not the known one: sha512-\S+ in place of sha512-/)]);
    expect(readdirSync(parent)).toEqual([]);
  });

  it('says why nothing can be fetched', () => {
    const parent = temporaryFolder();
    const { status, said } = link([join(parent, 'linked')], inFront(fakePrograms({ npm: 'echo no network >&2; exit 1' })));
    expect([status, said]).toEqual([1, expect.stringMatching(/npm cannot fetch @tensorflow\/tfjs-node@4\.22\.0:.*no network/s)]);
    expect(readdirSync(parent)).toEqual([]);
  });

  const withPackage = (context: { skip(reason: string): void }, bin: string, args: readonly string[], environment = {}): Ended => {
    const ended = link(args, { ...inFront(bin), ...environment });
    if (ended.said.includes('npm cannot fetch')) context.skip('the registry cannot be reached');
    return ended;
  };

  it('holds the wheel against its digest', (context) => {
    // Asked for by its name and version alone, it would be taken.
    const bin = fakePrograms({
      python3: `[[ $3 == download ]] && grep -q sha256 "\${@: -1}" && { echo DIGESTS DO NOT MATCH >&2; exit 1; }; exec ${realProgram('python3')} "$@"`,
    });
    const { status, said } = withPackage(context, bin, [join(temporaryFolder(), 'linked')]);
    if (process.arch !== 'x64') return;
    expect([status, said]).toEqual([1, expect.stringMatching(/pip cannot fetch tensorflow-cpu 2\.21\.0:.*DIGESTS DO NOT MATCH/s)]);
  });

  it('names the files that a wheel lacks', (context) => {
    const parent = temporaryFolder();
    const bin = withFiles({ 'tensorflow/include/tensorflow/c/tf_status.h': '' });
    const { status, said } = withPackage(context, bin, ['--version', '9.9.9', join(parent, 'linked')]);
    expect(status).toBe(1);
    expect(said).toContain('its digest is not known here');
    expect(said).toContain('- tensorflow/libtensorflow_cc.so.2');
    expect(said).toContain('- tensorflow/include/tensorflow/c/eager/c_api.h');
    expect(said).not.toContain('tf_status.h');
    expect(readdirSync(parent)).toEqual([]);
  });

  it('shows what the compiler says of headers that do not fit', (context) => {
    const files = Object.fromEntries(headers.map((name) => [`tensorflow/include/tensorflow/${name}`, '#error a stub\n']));
    const bin = withFiles({ ...files, 'tensorflow/libtensorflow_cc.so.2': '', 'tensorflow/libtensorflow_framework.so.2': '' });
    const { status, said } = withPackage(context, bin, ['--version', '9.9.9', join(temporaryFolder(), 'linked')]);
    expect([status, said]).toEqual([1, expect.stringMatching(/a stub.*does not compile against TensorFlow 9\.9\.9/s)]);
  });

  it('names the functions that the libraries lack', (context) => {
    const files = Object.fromEntries(headers.map((name) => [`tensorflow/include/tensorflow/${name}`, '']));
    const bin = withFiles({ ...files, 'tensorflow/libtensorflow_cc.so.2': '', 'tensorflow/libtensorflow_framework.so.2': '' });
    const compiler = join(temporaryFolder(), 'compiler');
    // Objects that call one function that is there and one that is not.
    writeFileSync(compiler, `#!/bin/bash\n[[ $1 == --version ]] && { echo stub; exit; }\n: > "\${@: -1}"\n`);
    chmodSync(compiler, 0o755);
    writeFileSync(
      join(bin, 'nm'),
      `#!/bin/bash\nif [[ $1 == -D ]]; then echo '0000 T TF_Present@@tensorflow'; else printf '%s\\n' ' U TF_Present' ' U TFE_Absent' ' U napi_other'; fi\n`,
    );
    chmodSync(join(bin, 'nm'), 0o755);
    const { status, said } = withPackage(context, bin, ['--version', '9.9.9', join(temporaryFolder(), 'linked')], { CXX: compiler });
    expect(status).toBe(1);
    expect(said).toContain('lack functions that the binding calls:');
    expect(said).toContain('- TFE_Absent');
    expect(said).not.toMatch(/- (TF_Present|napi_other)/);
  });
});
