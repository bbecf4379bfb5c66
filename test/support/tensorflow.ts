// The tensorflow engine for tests, which are skipped where TensorFlow cannot be linked.
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { createTensorflowEngine, type TensorflowEngine } from '#engine/tensorflow';
import { linkedTensorflow, linkTimeoutMs } from './linked-tensorflow.ts';

/** An engine on the linked TensorFlow, or why there is none. */
export async function tensorflowEngine(): Promise<TensorflowEngine | { readonly missing: string }> {
  const linked = await linkedTensorflow();
  return 'missing' in linked ? linked : createTensorflowEngine({ environment: { ATHANOR_TENSORFLOW: linked.folder } });
}

/** One engine for all tests of a file or `describe`, which are skipped where there is none. Call it outside the tests. */
export function tensorflowForSuite(): () => TensorflowEngine {
  let made: TensorflowEngine | { readonly missing: string } | undefined;
  const engine = (): TensorflowEngine => {
    if (made === undefined || 'missing' in made) throw new Error('there is no engine outside the tests');
    return made;
  };
  beforeAll(async () => {
    made = await tensorflowEngine();
  }, linkTimeoutMs);
  beforeEach((context) => {
    if (made !== undefined && 'missing' in made) context.skip(made.missing);
  });
  afterAll(async () => {
    if (made !== undefined && !('missing' in made)) await made.dispose();
  });
  return engine;
}
