// The table of architectures.
import { additionFields, withAdditions } from './additions.ts';
import type { Architecture } from './architecture.ts';
import { albert } from './architectures/albert.ts';
import { bert } from './architectures/bert.ts';
import { encoderDecoder } from './architectures/encoder-decoder.ts';
import { gpt2 } from './architectures/gpt2.ts';
import { llama } from './architectures/llama.ts';
import type { ModelConfig } from './config.ts';

type ArchitectureName = ModelConfig['architecture'];

const architectures: { readonly [Name in ArchitectureName]: Architecture<Extract<ModelConfig, { architecture: Name }>> } = {
  gpt2,
  llama,
  bert,
  albert,
  encoderDecoder,
};

/** The architecture of a configuration. */
export function architectureOf(config: ModelConfig): Architecture {
  const architecture: Architecture = architectures[config.architecture];
  return additionFields.some((field) => config[field] !== undefined) ? withAdditions(architecture) : architecture;
}
