// Whether the engine's own kernels can be tested here.
import { ortEnvironment } from '../../src/engine/onnx/environment.ts';
import { probeOwnKernels } from '../../src/engine/onnx/int8-probe.ts';

/** Why not; undefined where they run. */
export async function missingKernels(): Promise<string | undefined> {
  const areHere = await probeOwnKernels(ortEnvironment(), { kind: 'cpu', index: 0 });
  return areHere ? undefined : 'the own kernels want Linux on x86-64 with AVX-512 VNNI';
}
