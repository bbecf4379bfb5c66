// "Fine-tune, replace modules, quantize" as one recipe on MiniLM and SST-2.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, parseRecipe } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier } from '#evaluate';
import { checkModel, type Model, storedTensors } from '#models';
import { importHuggingFace } from '#store';
import { rawBytes } from '#tensor';
import { distinctLabels, encodeLabelled, readLabelled, SentenceEncoder, tokenizerFromFiles } from '#text';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { RecipeTraining } from '../../../src/jobs/recipe-training.ts';
import { miniLmFolder } from '../../support/minilm.ts';
import { describeWithShared } from '../../support/shared.ts';

describeWithShared(
  'MiniLM on SST-2',
  (shared) => {
    it('becomes a classifier of three layers in place of six, with the embeddings that it had', { timeout: 120_000 }, async (context) => {
      const found = await miniLmFolder();
      if ('missing' in found) return context.skip(found.missing);
      const { model, tokenizerFiles } = await importHuggingFace(found.folder);
      const all = await readLabelled(join(shared, 'data/classification/sst2/dev.tsv'), { text: 'sentence', label: 'label' });
      const rows = all.slice(0, 48);
      const labels = distinctLabels(rows);
      const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), 32);
      const data = { texts: await encodeLabelled(rows, labels, sentences, quietContext) };
      const engine = await createOnnxEngine({ threads: 2 });
      const training = { batchSize: 8, sequenceLength: 32, learningRate: 1e-4, checkpointEvery: 0 };
      const steps = [
        { finetune: { task: 'classify', ...training, steps: 2, exclude: ['embed.*'] } },
        { theseus: { modules: 3, replacementSteps: 3, patience: 1, evaluateEvery: 1, training: { ...training, steps: 5 } } },
        { quantize: { bits: 8 } },
      ];
      const material = new RecipeTraining({ engine, corpus: data, labels, seed: 1, teacher: async () => model });
      const result = await compressModel(
        model,
        parseRecipe({ steps, seed: 1 }, recipeMethods),
        { engine, ofStep: () => ({ training: material }) },
        quietContext,
      );
      checkModel(result.model);
      expect(result.model.config).toMatchObject({ layers: 3, task: { kind: 'classify', labels } });
      const table = (of: Model): Buffer => Buffer.from(rawBytes(storedTensors(of).get('embed.token.weight')!));
      expect(table(result.model).equals(table(model))).toBe(true);
      expect(result.report.steps[1]?.note).toMatch(/^6 layers by 3 in 3 modules, all replaced by step 3; [45] steps .* which is kept$/);
      const { lossNats, examples } = await evaluateClassifier(result.model, data, engine, quietContext);
      expect(examples).toBe(48);
      expect(lossNats).toBeLessThan(1);
      await engine.dispose();
    });
  },
  ['data/classification/sst2/dev.tsv'],
);
