// New models with random weights.
import type { Random } from '#base';
import { hostTensor, sizeOf } from '#tensor';
import { architectureOf } from './architectures.ts';
import { checkConfig } from './check-config.ts';
import type { ModelConfig } from './config.ts';
import type { Model, Parameter } from './model.ts';
import { denseParameter } from './parametrizations.ts';

/**
 * A model with GPT-2's initialization: matrices normal with `standardDeviation`, those that write to the residual stream
 * scaled by 1/√(2L), gains one, biases zero. All dense float32.
 *
 * @throws AppError `bad_config`
 * @see Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, §2.3
 */
export function initializeModel(config: ModelConfig, random: Random, standardDeviation = 0.02): Model {
  checkConfig(config);
  const architecture = architectureOf(config);
  const residual = new Set(architecture.residualOutputs(config));
  const parameters = new Map<string, Parameter>();
  for (const { path, role, shape, initial } of architecture.parameters(config)) {
    const data = new Float32Array(sizeOf(shape));
    if (initial !== undefined) data.fill(initial);
    else if (role === 'vector') {
      if (!path.endsWith('.bias')) data.fill(1);
    } else {
      const deviation = residual.has(path) ? standardDeviation / Math.sqrt(2 * config.layers) : standardDeviation;
      for (let index = 0; index < data.length; index++) data[index] = deviation * random.normal();
    }
    parameters.set(path, denseParameter(path, hostTensor('float32', shape, data)));
  }
  return { config, parameters };
}
