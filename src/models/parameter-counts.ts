// How large a model is: logically, and as it is stored.
import { sizeOf, tensorBytes } from '#tensor';
import type { ModelDeclaration } from './model.ts';
import { parameterSpecs } from './parametrizations.ts';

export interface ParameterCounts {
  /** Elements of the dense tensors that the architecture needs. A tied head counts once. */
  readonly logical: number;
  /** Elements of the tensors that are stored. */
  readonly stored: number;
  readonly storedBytes: number;
  /** Stored elements of the parameters inside the blocks, and the dense count of the same. */
  readonly storedInBlocks: number;
  readonly logicalInBlocks: number;
}

/** Counts every stored tensor once: a tensor object held by two parameters is one. */
export function parameterCounts(model: ModelDeclaration): ParameterCounts {
  const seen = new Set<object>();
  const counts = { logical: 0, stored: 0, storedBytes: 0, storedInBlocks: 0, logicalInBlocks: 0 };
  for (const { path, shape, block } of parameterSpecs(model).values()) {
    const logical = sizeOf(shape);
    counts.logical += logical;
    if (block !== undefined) counts.logicalInBlocks += logical;
    for (const tensor of Object.values(model.parameters.get(path)?.tensors ?? {})) {
      if (seen.has(tensor)) continue;
      seen.add(tensor);
      const stored = sizeOf(tensor.shape);
      counts.stored += stored;
      counts.storedBytes += tensorBytes(tensor);
      if (block !== undefined) counts.storedInBlocks += stored;
    }
  }
  return counts;
}
