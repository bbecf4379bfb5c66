// Modules that stay in the model: adapters behind the parts of every block, and a prompt in front of every text.
import { AppError, at, invariant, Random } from '#base';
import {
  checkConfig,
  denseParameter,
  isOfAdapter,
  type Model,
  type ModelConfig,
  materializeParameter,
  type Parameter,
  type ParameterSpec,
  parameterSpecs,
  promptPath,
} from '#models';
import { float32, sizeOf } from '#tensor';

/** The model with more parameters, which `first` makes of what the configuration asks for. */
function grown(model: Model, config: ModelConfig, first: (spec: ParameterSpec) => Parameter): Model {
  const parameters = [...parameterSpecs({ config }).values()].map((spec): [string, Parameter] => [
    spec.path,
    model.parameters.get(spec.path) ?? first(spec),
  ]);
  return { config, parameters: new Map(parameters) };
}

/**
 * The same function with adapters: what narrows is normal with 0.02, what widens is zero.
 *
 * @throws AppError `unsupported` for a model that has adapters
 */
export function withAdapters(model: Model, width: number, seed: number): Model {
  const { config } = model;
  if (config.adapters !== undefined)
    throw new AppError('unsupported', 'lora: the model has adapters already. Start from the model without them.');
  const random = new Random(seed);
  return grown(model, { ...config, adapters: { width } }, ({ path, role, shape, initial }) => {
    invariant(isOfAdapter(path), `${path} is new`);
    const data = new Float32Array(sizeOf(shape));
    if (role !== 'vector' && initial === undefined) for (let index = 0; index < data.length; index++) data[index] = 0.02 * random.normal();
    return denseParameter(path, float32(shape, data));
  });
}

/**
 * The model behind a prompt of as many rows, which begin as those of tokens drawn at random.
 *
 * @throws AppError `unsupported` for a model that has a prompt or a side network, and for an encoder-decoder | `invalid_argument` for one that leaves no
 * position to a text
 * @see Lester et al., EMNLP 2021, §2.1: rows of the vocabulary begin better than random ones
 */
export function withPrompt(model: Model, length: number, seed: number): Model {
  const { config } = model;
  if (config.prompt !== undefined)
    throw new AppError('unsupported', 'lora: the model has a trained prompt already. Start from the model without it.');
  if (config.architecture === 'encoderDecoder')
    throw new AppError(
      'unsupported',
      'lora: a prompt stands in front of one text, and an encoder-decoder reads two. Use method "lora" or "adapter".',
    );
  if (config.ladder !== undefined)
    throw new AppError('unsupported', 'lora: a side network would not see the rows of a prompt. Use method "lora" or "adapter".');
  if (length >= config.maxPositions)
    throw new AppError(
      'invalid_argument',
      `lora.length: ${length} rows leave no position of ${config.maxPositions} to a text. Choose fewer.`,
      { details: { field: 'lora.length' } },
    );
  const changed = { ...config, prompt: { length } };
  checkConfig(changed);
  const random = new Random(seed);
  const table = materializeParameter(model, 'embed.token.weight');
  return grown(model, changed, ({ path, shape }) => {
    invariant(path === promptPath, `${path} is new`);
    const width = at(shape, 1);
    const data = new Float32Array(length * width);
    for (let row = 0; row < length; row++) {
      const token = random.integer(config.vocabularySize);
      data.set(table.data.subarray(token * width, (token + 1) * width), row * width);
    }
    return denseParameter(path, float32(shape, data));
  });
}
