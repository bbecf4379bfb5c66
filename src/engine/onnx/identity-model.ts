// The smallest model: one input, copied to one output.
import type { DType } from '#tensor';
import type { OnnxModel } from './onnx-proto.ts';

/** Copies a vector [N]. */
export function identityModel(dtype: DType): OnnxModel {
  return {
    name: `copy ${dtype}`,
    nodes: [{ opType: 'Identity', domain: '', name: 'copy', inputs: ['from'], outputs: ['to'], attributes: {} }],
    initializers: [],
    inputs: [{ name: 'from', dtype, shape: ['N'] }],
    outputs: [{ name: 'to', dtype, shape: ['N'] }],
  };
}
