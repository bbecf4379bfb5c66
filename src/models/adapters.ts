// Bottleneck adapters in the graph, behind every matrix whose result is added to the residual stream: the same for every architecture.

import type { Value } from '#graph';
import { activations } from './activations.ts';
import type { Architecture, Network } from './architecture.ts';
import type { Adapters, ModelConfig } from './config.ts';
import type { ParameterSpec } from './model.ts';

/** Path of the adapter behind a linear layer, for example `h.3.mlp.proj.adapter`. */
export function adapterPath(linear: string): string {
  return `${linear}.adapter`;
}

/** Whether a parameter is one of an adapter. */
export function isOfAdapter(path: string): boolean {
  return path.includes('.adapter.');
}

/** Linear layers that have an adapter behind them, by path without `.weight`. */
export function adaptedLayers(architecture: Architecture, config: ModelConfig): string[] {
  return architecture.residualOutputs(config).map((path) => path.slice(0, -'.weight'.length));
}

export function adapterParameters(architecture: Architecture, config: ModelConfig, { width: m }: Adapters): ParameterSpec[] {
  const { width: D } = config;
  const adapted = new Set(adaptedLayers(architecture, config));
  return architecture.parameters(config).flatMap(({ path, block }): ParameterSpec[] => {
    const layer = path.slice(0, -'.weight'.length);
    if (!path.endsWith('.weight') || !adapted.has(layer)) return [];
    const adapter = adapterPath(layer);
    const of = block === undefined ? {} : { block };
    return [
      { path: `${adapter}.down.weight`, role: 'linear', shape: [D, m], ...of },
      { path: `${adapter}.down.bias`, role: 'vector', shape: [m], ...of },
      // Zero: at first the model answers what it did without.
      { path: `${adapter}.up.weight`, role: 'linear', shape: [m, D], ...of, initial: 0 },
      { path: `${adapter}.up.bias`, role: 'vector', shape: [D], ...of },
    ];
  });
}

/** What the adapter behind a linear layer makes of the layer's answer y [N, D]. */
export function adapted(net: Network, linear: string, y: Value): Value {
  const adapter = adapterPath(linear);
  const inner = activations.relu(net.b, net.linear(`${adapter}.down`, y)); // [N, m]
  return net.b.add(y, net.linear(`${adapter}.up`, inner));
}
