// The activation functions of feed-forward parts, by the name in the configuration.
import type { Emitter, Value } from '#graph';
import type { ModelConfig } from './config.ts';

type Activation = ModelConfig['activation'];

export const activations: { readonly [Name in Activation]: (b: Emitter, x: Value) => Value } = {
  gelu: (b, x) => b.gelu(x),
  geluTanh: (b, x) => b.geluTanh(x),
  silu: (b, x) => b.silu(x),
  relu: (b, x) => b.maximum(x, 0),
};
