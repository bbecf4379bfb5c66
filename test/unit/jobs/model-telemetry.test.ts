// Gauges of models in memory, and requests to models that are not generations.
import { describe, expect, it } from 'vitest';
import { AppError, quietContext } from '#base';
import { type InferenceBackend, ObservedInference, observeModels } from '#jobs';
import { type RecordedTelemetry, spanNamed, telemetryOfTest } from '#test/recorded-telemetry';

async function seriesOf({ points }: RecordedTelemetry, name: string, label: string): Promise<Record<string, unknown>> {
  return Object.fromEntries(
    (await points()).filter((point) => point.name === name).map(({ labels, value }) => [String(labels[label]), value]),
  );
}

describe('models in memory', () => {
  const blocks = { total: 8, held: 2, free: 6, kept: 1 };
  const memory = { weightBytes: 0, cacheBytes: 100, waiting: 1, active: 2, paused: 0, free: 6, blocks };

  it('are read when somebody asks, versions of a name together, until nobody may', async () => {
    const telemetry = telemetryOfTest();
    let resident = [
      { name: 'a', bytes: 5 },
      { name: 'a', bytes: 6 },
      { name: 'b', bytes: 7 },
    ];
    const serving = [
      { reference: 'a@1', memory },
      { reference: 'a@2', memory: { ...memory, waiting: 3 } },
    ];
    const engine = { device: 'cpu', counters: () => ({ ...counters, bufferBytes: 42, hostToDeviceBytes: 3, deviceToHostBytes: 4 }) };
    const stop = observeModels(telemetry.meter, {
      hub: {
        get resident() {
          return resident;
        },
      },
      inference: { served: serving },
      engine,
    });
    expect(await seriesOf(telemetry, 'athanor.model.memory', 'athanor.model.name')).toEqual({ a: 11, b: 7 });
    expect(await seriesOf(telemetry, 'athanor.device.memory', 'athanor.device')).toEqual({ cpu: 42 });
    const transfer = { host_to_device: 3, device_to_host: 4 };
    expect(await seriesOf(telemetry, 'athanor.device.transfer', 'athanor.device.direction')).toEqual(transfer);
    expect(await seriesOf(telemetry, 'athanor.cache.memory', 'athanor.model.name')).toEqual({ a: 200 });
    expect(await seriesOf(telemetry, 'athanor.sequences', 'athanor.sequence.state')).toEqual({ waiting: 4, active: 4, paused: 0 });
    expect(await seriesOf(telemetry, 'athanor.cache.utilization', 'athanor.model.name')).toEqual({ a: 0.25 });
    resident = [];
    expect(await seriesOf(telemetry, 'athanor.model.memory', 'athanor.model.name')).toEqual({ a: 0, b: 0 });
    stop();
  });

  it('are at most so many series', async () => {
    const telemetry = telemetryOfTest();
    const resident = Array.from({ length: 100 }, (_, index) => ({ name: `m${index}`, bytes: 1 }));
    observeModels(telemetry.meter, { hub: { resident }, inference: { served: [] }, engine: { device: 'cpu', counters: () => counters } });
    const series = await seriesOf(telemetry, 'athanor.model.memory', 'athanor.model.name');
    expect(Object.keys(series)).toHaveLength(65);
    expect(series['_OTHER']).toBe(36);
  });
});

describe('requests that are answered whole', () => {
  const inner = (): InferenceBackend => {
    const refuse = (): never => {
      throw new AppError('wrong_task', 'not here.');
    };
    return {
      generate: refuse,
      score: async () => [{ logLikelihood: -1, isGreedy: true, tokens: 4 }],
      classify: async () => ({ labels: ['a'], results: [] }),
      embed: async () => [
        { values: new Float32Array(1), tokens: 3, truncated: false },
        { values: new Float32Array(1), tokens: 5, truncated: false },
      ],
      fillMask: async () => refuse(),
      distributions: async () => refuse(),
      tokenize: async () => Int32Array.of(1),
      detokenize: async () => 'x',
      describe: async () => refuse(),
      tokenizer: async () => refuse(),
    };
  };

  it('have a span and a time each, and tokens where they are known', async () => {
    const telemetry = telemetryOfTest();
    const inference = new ObservedInference(inner(), telemetry);
    await inference.score('m@2', [], quietContext);
    await inference.classify('m', [], quietContext);
    expect(await inference.embed('e', [], {}, quietContext)).toHaveLength(2);
    await expect(inference.fillMask('m', [], {}, quietContext)).rejects.toThrow('wrong_task');
    expect(spanNamed(telemetry.spans(), 'embeddings e').attributes).toEqual({
      'gen_ai.operation.name': 'embeddings',
      'gen_ai.provider.name': 'athanor',
      'gen_ai.request.model': 'e',
      'gen_ai.usage.input_tokens': 8,
    });
    expect(spanNamed(telemetry.spans(), 'score m@2').attributes).toMatchObject({ 'gen_ai.request.model': 'm@2' });
    expect(spanNamed(telemetry.spans(), 'fill_mask m')).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'wrong_task' } });
    expect(await seriesOf(telemetry, 'athanor.tokens', 'gen_ai.request.model')).toEqual({ m: 4, e: 8 });
    expect(await seriesOf(telemetry, 'gen_ai.server.request.duration', 'gen_ai.operation.name')).toEqual({
      score: expect.objectContaining({ count: 1 }),
      classify: expect.objectContaining({ count: 1 }),
      embeddings: expect.objectContaining({ count: 1 }),
      fill_mask: expect.objectContaining({ count: 1 }),
    });
  });

  it('end a generation that was cancelled, left or refused with its reason', async () => {
    const telemetry = telemetryOfTest();
    const usage = { promptTokens: 1, generatedTokens: 0, totalMs: 5, cachedPromptTokens: 0, draftedTokens: 0, acceptedTokens: 0 };
    const inference = new ObservedInference(
      {
        ...inner(),
        async *generate(model) {
          if (model === 'refused') throw new AppError('context_too_long', 'no.');
          yield { kind: 'token', index: 0, token: { id: 1 }, text: 'a' };
          if (model === 'cancelled') yield { kind: 'finished', index: 0, text: '', reason: 'cancelled', usage };
        },
      },
      telemetry,
    );
    const { signal } = quietContext;
    for await (const _ of inference.generate('cancelled', { prompt: 'x' }, signal));
    for await (const _ of inference.generate('left', { prompt: 'x' }, signal)) break;
    await expect(async () => {
      for await (const _ of inference.generate('refused', { prompt: 'x' }, signal));
    }).rejects.toThrow('context_too_long');
    const errorOf = (model: string): unknown => spanNamed(telemetry.spans(), `text_completion ${model}`).attributes['error.type'];
    expect(['cancelled', 'left', 'refused'].map(errorOf)).toEqual(['cancelled', 'cancelled', 'context_too_long']);
  });
});

const counters = {
  scratchBytes: 0,
  peakScratchBytes: 0,
  bufferBytes: 0,
  peakBufferBytes: 0,
  buffers: 0,
  programs: 0,
  hostToDeviceBytes: 0,
  deviceToHostBytes: 0,
};
