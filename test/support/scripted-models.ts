// Models that need no engine: a catalogue in memory, and answers that a test writes.
import { AppError } from '#base';
import type { InferenceBackend, ModelDescription, ModelRecord } from '#jobs';
import type { ModelCatalogue } from '#server';

export interface ScriptedModel {
  readonly task: ModelDescription['task'];
  readonly labels?: readonly string[];
  /** Pieces of every answer. */
  readonly pieces?: readonly string[];
  /** Waited for before every piece, and before every answer of a classifier. */
  readonly gate?: () => Promise<void>;
}

export interface ScriptedModels {
  readonly models: ModelCatalogue;
  readonly inference: Partial<InferenceBackend>;
  readonly loaded: Set<string>;
  /** What was asked to be generated. */
  readonly requests: Parameters<InferenceBackend['generate']>[1][];
  /** Generations that have begun and not ended. */
  readonly open: { count: number };
}

const width = 3;
const untouched = { cachedPromptTokens: 0, draftedTokens: 0, acceptedTokens: 0 };

/** By name; each has version 1. Using one loads it. Embeddings are the length of the text, classifiers take the first label. */
export function scriptedModels(scripts: Readonly<Record<string, ScriptedModel>>): ScriptedModels {
  const loaded = new Set<string>();
  const requests: ScriptedModels['requests'] = [];
  const open = { count: 0 };
  const find = (reference: string): { name: string; script: ScriptedModel } => {
    const [name = '', version = '1'] = reference.split('@');
    const script = Object.hasOwn(scripts, name) && version === '1' ? scripts[name] : undefined;
    if (script === undefined) throw new AppError('model_not_found', `"${reference}": no model has this name.`);
    return { name, script };
  };
  const use = (reference: string): ScriptedModel => {
    const { name, script } = find(reference);
    loaded.add(name);
    return script;
  };
  const record = (reference: string): ModelRecord => {
    const { name } = find(reference);
    return {
      name,
      version: 1,
      hash: `hash of ${name}`,
      createdMs: 0,
      residentBytes: 0,
      loaded: loaded.has(name),
      architecture: 'scripted',
      configJson: '{}',
      logicalParameters: 0,
      storedParameters: 0,
      storedBytes: 0,
      tokenizerHash: '',
      lineage: { operation: 'import', parents: [], settingsJson: '{}', dataFingerprint: '', jobId: '' },
      parameters: [],
    };
  };
  return {
    loaded,
    requests,
    open,
    models: {
      list: async () => Object.keys(scripts).map(record),
      get: async (reference) => record(reference),
      load: async (reference) => {
        use(reference);
        return record(reference);
      },
      unload: async (reference) => (loaded.delete(find(reference).name) ? 1 : 0),
      delete: async () => {},
      promote: async () => noStableNames(),
      rollBack: async () => noStableNames(),
      promotions: () => [],
    },
    inference: {
      describe: async (reference) => {
        const { task, labels } = use(reference);
        return { reference, task, vocabularySize: 10, contextTokens: 20, tokens: {}, width, ...(labels === undefined ? {} : { labels }) };
      },
      async *generate(reference, request, signal) {
        const { pieces = [], gate } = use(reference);
        requests.push(request);
        open.count++;
        try {
          for (const [id, text] of pieces.entries()) {
            await gate?.();
            if (signal.aborted) break;
            yield { kind: 'token', index: 0, token: { id }, text };
          }
          const usage = { promptTokens: 2, generatedTokens: pieces.length, totalMs: 1, ...untouched };
          yield { kind: 'finished', index: 0, text: '', reason: signal.aborted ? 'cancelled' : 'end', usage };
        } finally {
          open.count--;
        }
      },
      classify: async (reference, inputs) => {
        const { labels = [], gate } = use(reference);
        await gate?.();
        const probabilities = labels.map((_, index) => (index === 0 ? 1 : 0));
        return { labels, results: inputs.map(() => ({ label: labels[0] ?? '', probabilities, logits: probabilities })) };
      },
      embed: async (reference, texts) => {
        use(reference);
        return texts.map((text) => ({ values: new Float32Array(width).fill(text.length), tokens: 1, truncated: false }));
      },
    },
  };
}

function noStableNames(): never {
  throw new AppError('unsupported', 'scripted models have no stable names.');
}
