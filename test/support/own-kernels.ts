// Whether the engine's own kernels can be tested here.
import { hasInstructions } from '../../src/engine/onnx/kernels/domain.ts';

/** Why not; undefined where the processor has the instructions. That the kernels are found right there is a test of its own. */
export const missingKernels = hasInstructions() ? undefined : 'the own kernels want Linux on x86-64 with AVX-512 VNNI';
