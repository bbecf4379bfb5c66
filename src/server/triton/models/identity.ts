// What all models of this protocol share, and the model that gives back what it is sent.
import type { ServedModel } from '../served-model.ts';

/** How a model of the store is named. */
export interface ModelIdentity {
  readonly name: string;
  readonly version: string;
  /** `name@version` */
  readonly reference: string;
}

/** Models run as ONNX graphs. */
export const onnxPlatform = 'onnx_onnxv1';

/** Texts of one request. */
export const maxTextBatch = 64;

/** Measures what the transport costs: `OUTPUT0` is `INPUT0`. */
export function identityModel(name: string): ServedModel {
  return {
    name,
    version: '1',
    platform: 'identity',
    maxBatchSize: 0,
    inputs: [{ name: 'INPUT0', datatype: 'FP32', dims: [-1] }],
    outputs: [{ name: 'OUTPUT0', datatype: 'FP32', dims: [-1] }],
    facts: {},
    isQueued: false,
    async infer({ inputs }) {
      const tensor = inputs.get('INPUT0');
      const { buffer, byteOffset, byteLength } = tensor?.bytes ?? new Uint8Array();
      return {
        outputs: [{ name: 'OUTPUT0', datatype: 'FP32', shape: tensor?.shape ?? [0], bytes: Buffer.from(buffer, byteOffset, byteLength) }],
        runs: [1],
        isLast: true,
      };
    },
  };
}
