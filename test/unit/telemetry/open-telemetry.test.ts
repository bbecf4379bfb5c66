// Spans and instruments over the SDK, with exporters in memory.
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Instrument, LabelSet, metrics, type Reading } from '#base';
import { type RecordedTelemetry, spanNamed, telemetryOfTest } from '#test/recorded-telemetry';
import { standardLogger } from '../../../src/cli/standard-log.ts';

const parentOf = (telemetry: RecordedTelemetry, name: string): string | undefined =>
  spanNamed(telemetry.spans(), name).parentSpanContext?.spanId;
const idOf = (telemetry: RecordedTelemetry, name: string): string => spanNamed(telemetry.spans(), name).spanContext().spanId;

describe('spans', () => {
  it('nest over promises and timers, and do not mix between concurrent pieces of work', async () => {
    const telemetry = telemetryOfTest();
    const { tracer } = telemetry;
    const work = async (name: string): Promise<void> => {
      const span = tracer.start(name, { parent: undefined });
      await tracer.within(span, async () => {
        await wait(2);
        expect(tracer.current()).toBe(span);
        tracer.start(`${name} inside`).end();
      });
      span.end();
    };
    await Promise.all([work('a'), work('b')]);
    expect(tracer.current()).toBeUndefined();
    for (const name of ['a', 'b']) {
      expect(parentOf(telemetry, `${name} inside`)).toBe(idOf(telemetry, name));
      expect(parentOf(telemetry, name)).toBeUndefined();
    }
  });

  it('take the parent that is named, or none, before the current one', async () => {
    const telemetry = telemetryOfTest();
    const { tracer } = telemetry;
    const [current, other] = [tracer.start('current'), tracer.start('other')];
    tracer.within(current, () => {
      tracer.start('under other', { parent: other }).end();
      tracer.start('alone', { parent: undefined }).end();
      tracer.start('with bad headers', { headers: () => 'nonsense' }).end();
    });
    current.end();
    other.end();
    expect(parentOf(telemetry, 'under other')).toBe(idOf(telemetry, 'other'));
    expect(parentOf(telemetry, 'alone')).toBeUndefined();
    expect(parentOf(telemetry, 'with bad headers')).toBe(idOf(telemetry, 'current'));
  });

  it('end once, keep given times and leave out attributes without a value', () => {
    const telemetry = telemetryOfTest();
    const span = telemetry.tracer.start('timed', {
      startMs: 1_700_000_000_000,
      attributes: { kept: 1, left: undefined, many: ['a', 'b'] },
    });
    span.end({ type: 'broken', message: 'why' }, 1_700_000_000_250);
    span.set({ late: true });
    span.end();
    const timed = spanNamed(telemetry.spans(), 'timed');
    expect(timed.attributes).toEqual({ kept: 1, many: ['a', 'b'], 'error.type': 'broken' });
    expect(timed.status).toEqual({ code: 2, message: 'why' });
    expect(timed.startTime).toEqual([1_700_000_000, 0]);
    expect(timed.duration).toEqual([0, 250_000_000]);
  });

  it('name the trace in log lines', () => {
    const { tracer } = telemetryOfTest();
    const lines: string[] = [];
    const json = standardLogger(true, tracer, (line) => lines.push(line));
    const span = tracer.start('x');
    tracer.within(span, () => json.info('inside', { jobId: 'j', absent: undefined }));
    json.warn('outside');
    const [inside, outside] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(inside).toEqual({
      time: expect.any(String),
      level: 'info',
      message: 'inside',
      jobId: 'j',
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      span_id: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(outside).toEqual({ time: expect.any(String), level: 'warn', message: 'outside' });
    standardLogger(false, tracer, (line) => lines.push(line)).error('for people', { count: 2 });
    expect(lines.at(-1)).toMatch(/^\S+ error for people count=2\n$/);
  });
});

describe('instruments', () => {
  it('have the buckets, units and labels of their definition', async () => {
    const { meter, points } = telemetryOfTest();
    meter.histogram(metrics.tokenTime)(0.003, { model: 'm' });
    const [point] = (await points()).filter(({ name }) => name === metrics.tokenTime.name);
    expect(point).toMatchObject({ unit: 's', labels: { model: 'm' }, value: { count: 1, sum: 0.003 } });
    expect(point?.value).toMatchObject({ buckets: { boundaries: metrics.tokenTime.buckets } });
  });

  it('show zero, or what their definition says, where a gauge has nothing to read any more', async () => {
    const { meter, points } = telemetryOfTest();
    const gone: Instrument = { name: 'test.nan', unit: '1', description: '', gone: Number.NaN };
    let readings: readonly Reading[] = [
      { value: 5, labels: { model: 'm' } },
      { value: 6, labels: { model: 'n' } },
    ];
    meter.gauge(metrics.modelMemory, () => readings);
    const stop = meter.gauge(gone, () => readings);
    const valuesOf = async (name: string): Promise<readonly unknown[]> =>
      (await points()).filter((point) => point.name === name).map(({ value }) => value);
    expect(await valuesOf(metrics.modelMemory.name)).toEqual([5, 6]);
    readings = [{ value: 7, labels: { model: 'n' } }];
    expect(await valuesOf(metrics.modelMemory.name)).toEqual([0, 7]);
    expect(await valuesOf('test.nan')).toEqual([Number.NaN, 7]);
    stop();
  });
});

describe('a set of labels', () => {
  it('holds what was admitted first and calls everything else one name', () => {
    const labels = new LabelSet(2);
    expect(labels.of('a')).toBe('_OTHER');
    expect(['a', 'b', 'c', 'a'].map((value) => labels.admit(value))).toEqual(['a', 'b', '_OTHER', 'a']);
    expect(['a', 'c'].map((value) => labels.of(value))).toEqual(['a', '_OTHER']);
  });
});
