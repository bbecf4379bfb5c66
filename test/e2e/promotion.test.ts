// Stable names: a student is served under one only when its report holds, a ruined one is refused, and a roll back is one call.
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { temporaryFolder } from '#test/temporary';
import { startServer } from '../../src/cli/compose.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

async function withServer(work: (client: AthanorClient) => Promise<void>): Promise<void> {
  const server = await startServer({ store: temporaryFolder(), address: '127.0.0.1:0', threads: 1 });
  const client = new AthanorClient(`127.0.0.1:${server.server.port}`);
  try {
    await client.unary(client.protocol.model.Import, { name: 'teacher', path: fixture('models/stories260K') });
    await work(client);
  } finally {
    client.close();
    await server.stop({ graceMs: 100 });
  }
}

async function finished(events: AsyncIterable<{ event?: { error?: { message?: string } | null } | null }>): Promise<void> {
  for await (const { event } of events) if (event?.error) throw new Error(event.error.message);
}

const data = {
  inlineText: Buffer.from('Once upon a time there was a little girl. She liked to play in the park with her friend. '.repeat(20)),
};

const compress = (client: AthanorClient, name: string, step: object): Promise<void> =>
  finished(client.serverStream(client.protocol.compression.Compress, { spec: { model: 'teacher', name, recipe: { steps: [step] } } }));

const evaluate = (client: AthanorClient, model: string): Promise<void> => {
  const settings = { latency: false };
  return finished(client.serverStream(client.protocol.evaluation.Evaluate, { spec: { model, teacher: 'teacher', data, settings } }));
};

const thresholds = { maxLossIncrease: 0.2, minTop1Agreement: 0.5 };
const promote = (client: AthanorClient, model: string, limits: object | null = null) =>
  client.unary(client.protocol.model.Promote, { alias: 'production', model, thresholds: limits });
const continuation = async (client: AthanorClient, model: string): Promise<string> => {
  let text = '';
  for await (const piece of client.serverStream(client.protocol.inference.Generate, {
    model,
    text: 'Once upon',
    maxNewTokens: 12,
    temperature: 0,
  }))
    text += piece.text;
  return text;
};

describe('a stable name', () => {
  it('stands for a student that holds, never for a ruined one, and goes back in one call', () =>
    withServer(async (client) => {
      await compress(client, 'good', { quantize: { bits: 8 } });
      await compress(client, 'fair', { quantize: { bits: 4 } });
      // One layer is as good as zero.
      await compress(client, 'ruined', { prune: { sparsity: 0.99, include: ['h.1.*'] } });
      await expect(promote(client, 'good', thresholds)).rejects.toMatchObject({
        code: 'not_promoted',
        message: expect.stringContaining('never been evaluated'),
      });
      for (const model of ['good', 'fair', 'ruined']) await evaluate(client, model);
      await expect(promote(client, 'good')).rejects.toMatchObject({ code: 'invalid_argument', details: { field: 'thresholds' } });

      const { promotion } = await promote(client, 'good', thresholds);
      expect(promotion).toMatchObject({ alias: 'production', sequence: 1, model: 'good@1', rollbackTo: 0 });
      expect(promotion?.figures['lossIncrease']).toBeLessThan(0.2);
      expect(await continuation(client, 'production')).toBe(await continuation(client, 'good'));

      await expect(promote(client, 'ruined')).rejects.toMatchObject({
        code: 'not_promoted',
        message: expect.stringMatching(/lossIncrease is .*wanted is at most 0\.2.*keeps/),
      });
      expect((await client.unary(client.protocol.model.Get, { name: 'production' })).model?.name).toBe('good');

      await promote(client, 'fair', { ...thresholds, maxLossIncrease: 10, minTop1Agreement: 0 });
      expect(await continuation(client, 'production')).toBe(await continuation(client, 'fair'));
      const back = await client.unary(client.protocol.model.RollBack, { alias: 'production' });
      expect(back.promotion).toMatchObject({
        sequence: 3,
        model: 'good@1',
        rollbackTo: 1,
        thresholds: expect.objectContaining({ maxLossIncrease: 0.2 }),
      });
      expect(await continuation(client, 'production')).toBe(await continuation(client, 'good'));
      const { promotions } = await client.unary(client.protocol.model.Promotions, { alias: 'production' });
      expect(promotions.map(({ model }) => model)).toEqual(['good@1', 'fair@1', 'good@1']);
    }));

  it("is nobody else's: no model is written to it, and what it stands for is not deleted", () =>
    withServer(async (client) => {
      await evaluate(client, 'teacher');
      const limits = { maxBitsPerByte: 8 };
      await client.unary(client.protocol.model.Promote, { alias: 'live', model: 'teacher', thresholds: limits });
      await expect(compress(client, 'live', { quantize: { bits: 8 } })).rejects.toThrow(/live/);
      await expect(client.unary(client.protocol.model.Delete, { name: 'teacher' })).rejects.toMatchObject({
        code: 'wrong_state',
        details: { alias: 'live' },
      });
      await expect(
        client.unary(client.protocol.model.Promote, { alias: 'teacher', model: 'teacher', thresholds: limits }),
      ).rejects.toMatchObject({ code: 'name_taken' });
      await expect(client.unary(client.protocol.model.RollBack, { alias: 'live' })).rejects.toMatchObject({ code: 'wrong_state' });
      await expect(client.unary(client.protocol.model.RollBack, { alias: 'live', to: 9 })).rejects.toMatchObject({
        code: 'model_not_found',
      });
      await expect(client.unary(client.protocol.model.RollBack, { alias: 'nobody' })).rejects.toMatchObject({ code: 'model_not_found' });
      await expect(promote(client, 'teacher', { minAccuracy: 2 })).rejects.toMatchObject({
        code: 'invalid_argument',
        details: { field: 'thresholds.minAccuracy' },
      });
      await expect(promote(client, 'teacher', { maxTeacherKl: 0.1, maxStoredBytes: 5 })).rejects.toMatchObject({ code: 'not_promoted' });
      await expect(
        client.unary(client.protocol.model.Promote, { alias: 'a/b', model: 'teacher', thresholds: limits }),
      ).rejects.toMatchObject({ code: 'bad_name' });
    }));
});
