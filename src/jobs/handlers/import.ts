// Import: a Hugging Face folder on the server becomes a stored model.
import { importHuggingFace } from '#store';
import { checkInput } from '../check-input.ts';
import type { JobHandler } from '../job.ts';
import type { ModelHub } from '../model-hub.ts';
import type { ImportResult } from '../results.ts';
import { type ImportSpec, importSpecSchema } from '../specs.ts';
import { checkWrites } from './names.ts';

export function importHandler(hub: ModelHub): JobHandler<ImportSpec, ImportResult> {
  return {
    kind: 'import',
    usesDevice: false,
    // Reading again from the start leaves nothing behind and costs little.
    canResume: true,
    parse: (input) => checkInput(importSpecSchema, input, 'import'),
    names: ({ name }) => ({ source: '', target: name }),
    paths: ({ path }) => [path],
    prepare: ({ name, replace }) => checkWrites(hub, name, replace),
    async run({ name, path }, context) {
      const { model, tokenizerFiles, generation } = await importHuggingFace(path, context);
      const content = { model, tokenizerFiles, generation, meta: { settings: { operation: 'import' } } };
      return await hub.save(name, content, context.jobId, context);
    },
  };
}
