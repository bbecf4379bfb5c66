// An encoder-decoder of the shared folder over a real connection: Arabic names become Latin ones, as CTranslate2 writes them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { importCTranslate2, LocalStore } from '#store';
import { describeWithShared } from '#test/shared';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

interface Golden {
  readonly models: { readonly fp32: readonly { readonly source: string; readonly greedy: string; readonly beam: string }[] };
}

const { models } = JSON.parse(readFileSync(new URL('../unit/store/ctranslate2/transliterations.json', import.meta.url), 'utf8')) as Golden;

/** Every letter is a token. */
const letters = (vocabulary: readonly string[]): Uint8Array => {
  const json = {
    added_tokens: ['<blank>', '<s>', '</s>'].map((content) => ({ id: vocabulary.indexOf(content), content, special: true })),
    model: { type: 'BPE', vocab: Object.fromEntries(vocabulary.map((letter, id) => [letter, id])), merges: [] },
    decoder: { type: 'Fuse' },
  };
  return new TextEncoder().encode(JSON.stringify(json));
};

describeWithShared(
  'transliteration over gRPC',
  (shared) => {
    const folder = temporaryFolderForSuite();
    let running: RunningServer;
    let client: AthanorClient;

    beforeAll(async () => {
      const { model, sourceVocabulary, targetVocabulary } = await importCTranslate2(join(shared, 'models/aren-transliteration/fp32'));
      const tokenizerFiles = new Map([
        ['tokenizer.json', letters(targetVocabulary)],
        ['source_tokenizer.json', letters(sourceVocabulary)],
      ]);
      const store = await LocalStore.open(join(folder, 'store'));
      await store.saveArtefact('names', { model, tokenizerFiles, generation: {}, meta: { settings: {} } });
      running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0' });
      client = new AthanorClient(`127.0.0.1:${running.server.port}`);
    });

    afterAll(async () => {
      client.close();
      await running.stop();
    });

    async function generate(request: object): Promise<{ texts: string[]; messages: number; reasons: (string | undefined)[] }> {
      const texts: string[] = [];
      const reasons: (string | undefined)[] = [];
      let messages = 0;
      for await (const { text, index, finishReason } of client.serverStream(client.protocol.inference.Generate, {
        model: 'names',
        ...request,
      })) {
        texts[index] = (texts[index] ?? '') + text;
        if (finishReason !== 'FINISH_REASON_UNSPECIFIED') reasons[index] = finishReason;
        messages += 1;
      }
      return { texts, messages, reasons };
    }

    it('streams greedy targets letter by letter', async () => {
      for (const { source, greedy } of models.fp32) {
        const { texts, messages, reasons } = await generate({ text: source, maxNewTokens: 32 });
        expect([texts, reasons]).toEqual([[greedy], ['FINISH_REASON_END']]);
        expect(messages).toBe(greedy.length + 2);
      }
    });

    it('answers the best of a beam search, the best first', async () => {
      for (const { source, beam } of models.fp32) {
        const { texts } = await generate({ text: source, maxNewTokens: 32, numBeams: 4, n: 2 });
        expect(texts).toHaveLength(2);
        expect(texts[0]).toBe(beam);
        expect(texts[1]).not.toBe(beam);
      }
    });

    it('draws the likeliest of several, and says the likelihood of each token', async () => {
      const stream = client.serverStream(client.protocol.inference.Generate, { model: 'names', text: models.fp32[0]!.source, logprobs: 2 });
      for await (const { tokenIds, logprobs } of stream)
        for (const [place, { id, logprob, top }] of logprobs.entries()) {
          expect(id).toBe(tokenIds[place]);
          expect(top[0]).toMatchObject({ id, logprob });
        }
    });

    it.each([
      ['numBeams', { numBeams: 100 }, 'invalid_argument'],
      ['temperature', { numBeams: 2, temperature: 0.5 }, 'invalid_argument'],
      ['promptLogprobs', { promptLogprobs: 1 }, 'unsupported'],
    ])('names %s where it has no place', async (field, changes, code) => {
      await expect(generate({ text: models.fp32[0]!.source, ...changes })).rejects.toMatchObject({ code, details: { field } });
    });
  },
  ['models/aren-transliteration/fp32/model.bin'],
);
