// The values of a training without a scheme, for tests that build objectives by themselves.
import type { NetworkBuilder } from '#models';
import type { SchemeInGraph } from '#train';

export function noScheme(b: NetworkBuilder): SchemeInGraph {
  const none = (name: string): never => {
    throw new Error(`there is no scheme that has ${name}`);
  };
  return { b, variant: '', tensor: none, input: none };
}
