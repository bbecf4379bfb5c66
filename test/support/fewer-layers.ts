// A model without its last blocks: the cheapest draft of itself.
import { type Model, parameterSpecs } from '#models';

/** Keeps the first `layers` blocks; for architectures whose blocks are alike. */
export function withFewerLayers(model: Model, layers: number): Model {
  const config = { ...model.config, layers };
  const kept = parameterSpecs({ ...model, config });
  return { ...model, config, parameters: new Map([...model.parameters].filter(([path]) => kept.has(path))) };
}
