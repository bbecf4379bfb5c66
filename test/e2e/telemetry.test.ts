// Traces and metrics of a server that is called over a real connection.
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { afterEach, describe, expect, it } from 'vitest';
import { AppError } from '#base';
import type { GenerationEvent, InferenceBackend, RegisteredHandler } from '#jobs';
import { type RecordedTelemetry, recordedTelemetry, spanNamed } from '#test/recorded-telemetry';
import { temporaryFolder } from '#test/temporary';
import { type CountOptions, countHandler, Gate } from '#test/trivial-job';
import { startTrivialServer, type TrivialServer } from '#test/trivial-server';
import { standardLogger } from '../../src/cli/standard-log.ts';

const ending: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
  logLines.length = 0;
});

/** An evaluation that counts `settings.window` steps; the teacher "stepwise" waits for the gate, "fails" fails at step 2. */
function countingEvaluation(options: CountOptions = {}): RegisteredHandler {
  const inner = countHandler({ ...options, kind: 'evaluate' });
  return {
    ...inner,
    bind(input) {
      const { teacher = '', settings = {} } = input as { teacher?: string; settings?: { window?: number } };
      return {
        ...inner.bind({ steps: settings.window, stepwise: teacher === 'stepwise', failAt: teacher === 'fails' ? 2 : 0 }),
        spec: input,
        source: 'm',
      };
    },
  };
}

/** Two tokens after 10 ms in the queue and 20 of reading, for the model "m" only. */
async function* twoTokens(model: string): AsyncGenerator<GenerationEvent> {
  if (model !== 'm') throw new AppError('model_not_found', `"${model}": no model has this name.`);
  yield { kind: 'token', index: 0, token: { id: 1 }, text: 'a' };
  yield { kind: 'token', index: 0, token: { id: 2 }, text: 'b' };
  const usage = { promptTokens: 3, generatedTokens: 2, queueMs: 10, firstTokenMs: 30, totalMs: 50 };
  yield {
    kind: 'finished',
    index: 0,
    text: '',
    reason: 'length',
    usage: { ...usage, cachedPromptTokens: 1, draftedTokens: 0, acceptedTokens: 0 },
  };
}

const logLines: string[] = [];

async function start(
  inference: Partial<InferenceBackend> = { generate: twoTokens },
  handlers: readonly RegisteredHandler[] = [countingEvaluation()],
): Promise<TrivialServer & { readonly telemetry: RecordedTelemetry }> {
  const telemetry = recordedTelemetry();
  const logger = standardLogger(true, telemetry.tracer, (line) => logLines.push(line));
  const server = await startTrivialServer({ handlers, folder: temporaryFolder(), inference, telemetry, logger, runner: { logger } });
  ending.push(() => telemetry.stop(), server.close);
  return { ...server, telemetry };
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;
const idOf = (span: ReadableSpan): string => span.spanContext().spanId;
const msOf = ([seconds, nanoseconds]: readonly [number, number]): number => seconds * 1000 + nanoseconds / 1e6;

describe('a trace', () => {
  it('goes from the call through the request to the queue, the prompt and the answer', async () => {
    const { client, telemetry } = await start();
    await drain(client.serverStream(client.protocol.inference.Generate, { model: 'm', text: 'x', maxNewTokens: 2, temperature: 0.5 }));
    const spans = telemetry.spans();
    const call = spanNamed(spans, 'athanor.v1.InferenceService/Generate');
    const request = spanNamed(spans, 'text_completion m');
    expect(parentOf(call)).toBeUndefined();
    expect(parentOf(request)).toBe(idOf(call));
    expect(call.attributes).toMatchObject({
      'rpc.system.name': 'grpc',
      'rpc.method': 'athanor.v1.InferenceService/Generate',
      'rpc.response.status_code': 'OK',
      'network.peer.address': '127.0.0.1',
      'network.peer.port': expect.any(Number),
    });
    expect(request.attributes).toEqual({
      'gen_ai.operation.name': 'text_completion',
      'gen_ai.provider.name': 'athanor',
      'gen_ai.request.model': 'm',
      'gen_ai.request.max_tokens': 2,
      'gen_ai.request.temperature': 0.5,
      'gen_ai.usage.input_tokens': 3,
      'gen_ai.usage.output_tokens': 2,
      'gen_ai.usage.cache_read.input_tokens': 1,
      'gen_ai.response.finish_reasons': ['length'],
    });
    const phases = ['athanor.queue', 'athanor.prefill', 'athanor.decode'].map((name) => spanNamed(spans, name));
    for (const phase of phases) expect(parentOf(phase)).toBe(idOf(request));
    expect(phases.map(({ duration }) => Math.round(msOf(duration)))).toEqual([10, 20, 20]);
    expect(msOf(phases[1]!.startTime)).toBeCloseTo(msOf(phases[0]!.endTime), 3);
    expect(msOf(phases[2]!.startTime)).toBeCloseTo(msOf(phases[1]!.endTime), 3);
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
  });

  it("goes on with the client's, by its traceparent", async () => {
    const { client, target, telemetry } = await start({ tokenize: async () => Int32Array.of(1) });
    const raw = new Client(target, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
    const { path, requestSerialize, responseDeserialize } = client.protocol.inference.Tokenize;
    await new Promise<void>((resolve, reject) =>
      raw.makeUnaryRequest(path, requestSerialize, responseDeserialize, { model: 'm', text: 'x' }, metadata, (error) =>
        error === null ? resolve() : reject(error),
      ),
    );
    raw.close();
    const call = spanNamed(telemetry.spans(), 'athanor.v1.InferenceService/Tokenize');
    expect(call.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c');
    expect(parentOf(call)).toBe('b7ad6b7169203331');
  });

  it('goes from the call that submits a job to the job and the steps of it', async () => {
    const { client, telemetry } = await start();
    const request = { spec: { model: 'm', settings: { window: 3 } } };
    await drain(client.serverStream(client.protocol.evaluation.Evaluate, request));
    await expect.poll(() => telemetry.spans().map(({ name }) => name)).toContain('athanor.job evaluate');
    const spans = telemetry.spans();
    const call = spanNamed(spans, 'athanor.v1.EvaluationService/Evaluate');
    const job = spanNamed(spans, 'athanor.job evaluate');
    const step = spanNamed(spans, 'athanor.step count');
    expect(parentOf(job)).toBe(idOf(call));
    expect(parentOf(step)).toBe(idOf(job));
    expect(job.attributes).toEqual({
      'athanor.job.id': expect.stringMatching(/^evaluate-/),
      'athanor.job.kind': 'evaluate',
      'athanor.job.attempt': 1,
      'athanor.model.name': 'm',
      'athanor.job.state': 'SUCCEEDED',
    });
    expect(step.attributes).toEqual({ 'athanor.job.phase': 'count', 'athanor.job.steps': 3 });
    const logged = logLines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ message }) => String(message).startsWith('job '));
    expect(logged.map(({ message, span_id }) => [message, span_id])).toEqual([
      ['job queued', idOf(call)],
      ['job ended', idOf(job)],
    ]);
  });

  it('marks a failed job with its code, and a call only where the server is at fault', async () => {
    const { client, telemetry } = await start({
      tokenize: async () => {
        throw new AppError('model_not_found', 'none.');
      },
      detokenize: async () => {
        throw new AppError('engine_failure', 'broken.');
      },
    });
    const { evaluation, inference } = client.protocol;
    await drain(client.serverStream(evaluation.Evaluate, { spec: { model: 'm', teacher: 'fails', settings: { window: 3 } } }));
    await expect(client.unary(inference.Tokenize, { model: 'm' })).rejects.toThrow('model_not_found');
    await expect(client.unary(inference.Detokenize, { model: 'm' })).rejects.toThrow('engine_failure');
    await expect.poll(() => telemetry.spans().map(({ name }) => name)).toContain('athanor.job evaluate');
    const spans = telemetry.spans();
    expect(spanNamed(spans, 'athanor.job evaluate')).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'bad_data' } });
    const notFound = spanNamed(spans, 'athanor.v1.InferenceService/Tokenize');
    expect(notFound).toMatchObject({ status: { code: 0 }, attributes: { 'rpc.response.status_code': 'NOT_FOUND' } });
    expect(notFound.attributes).not.toHaveProperty('error.type');
    const broken = spanNamed(spans, 'athanor.v1.InferenceService/Detokenize');
    expect(broken).toMatchObject({ status: { code: 2 }, attributes: { 'rpc.response.status_code': 'INTERNAL', 'error.type': 'INTERNAL' } });
  });

  it('ends when the client leaves, and says so', async () => {
    let stopped = false;
    const { client, telemetry } = await start({
      async *generate(_model, _request, signal) {
        yield { kind: 'token', index: 0, token: { id: 1 }, text: 'a' };
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        stopped = true;
      },
    });
    for await (const _ of client.serverStream(client.protocol.inference.Generate, { model: 'm', text: 'x' })) break;
    await expect.poll(() => telemetry.spans().length).toBe(2);
    expect(stopped).toBe(true);
    const call = spanNamed(telemetry.spans(), 'athanor.v1.InferenceService/Generate');
    expect(call.attributes).toMatchObject({ 'rpc.response.status_code': 'CANCELLED' });
  });

  it('tells a passed deadline from a client that left', async () => {
    const { client, telemetry } = await start({
      async *generate(_model, _request, signal) {
        yield { kind: 'token', index: 0, token: { id: 1 }, text: 'a' };
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        throw new AppError('cancelled', 'the generation was cancelled.');
      },
    });
    const { Generate } = client.protocol.inference;
    await expect(drain(client.serverStream(Generate, { model: 'm', text: 'x' }, { timeoutMs: 100 }))).rejects.toThrow('deadline_exceeded');
    await expect.poll(() => telemetry.spans().length).toBe(2);
    const call = spanNamed(telemetry.spans(), 'athanor.v1.InferenceService/Generate');
    expect(call.attributes).toMatchObject({ 'rpc.response.status_code': 'DEADLINE_EXCEEDED', 'error.type': 'DEADLINE_EXCEEDED' });
  });
});

describe('metrics', () => {
  it('count tokens and time what a generation waited for', async () => {
    const { client, telemetry } = await start();
    await drain(client.serverStream(client.protocol.inference.Generate, { model: 'm', text: 'x' }));
    const points = await telemetry.points();
    const found = (name: string, labels: object = {}): unknown =>
      points.find((point) => point.name === name && Object.entries(labels).every(([key, value]) => point.labels[key] === value))?.value;
    expect(found('athanor.tokens', { 'gen_ai.token.type': 'input', 'gen_ai.request.model': 'm' })).toBe(3);
    expect(found('athanor.tokens', { 'gen_ai.token.type': 'output' })).toBe(2);
    expect(found('athanor.tokens.cached')).toBe(1);
    expect(found('athanor.queue.duration')).toMatchObject({ count: 1, sum: 0.01 });
    expect(found('gen_ai.server.time_to_first_token')).toMatchObject({ count: 1, sum: 0.03 });
    expect(found('gen_ai.server.time_per_output_token')).toMatchObject({ count: 1, sum: 0.02 });
    expect(found('gen_ai.server.request.duration', { 'gen_ai.operation.name': 'text_completion' })).toMatchObject({ count: 1 });
    const call = { 'rpc.method': 'athanor.v1.InferenceService/Generate', 'rpc.response.status_code': 'OK' };
    expect(found('rpc.server.call.duration', call)).toMatchObject({ count: 1 });
    expect(points.find(({ name }) => name === 'rpc.server.call.duration')?.unit).toBe('s');
  });

  it('show progress and loss of a job while it runs, and its time afterwards', async () => {
    const gate = new Gate();
    const { runner, telemetry } = await start({}, [countingEvaluation({ gate })]);
    const { id } = await runner.submit('evaluate', { teacher: 'stepwise', settings: { window: 4 } });
    const found = async (name: string, labels: object = {}): Promise<unknown> =>
      (await telemetry.points()).find(
        (point) => point.name === name && Object.entries(labels).every(([key, value]) => point.labels[key] === value),
      )?.value;
    gate.advance(1);
    await expect.poll(() => found('athanor.job.progress', { 'athanor.job.kind': 'evaluate' })).toBe(0.25);
    expect(await found('athanor.job.loss')).toBe(1);
    expect(await found('athanor.jobs', { 'athanor.job.state': 'RUNNING' })).toBe(1);
    gate.advance(3);
    await runner.result(id);
    await expect.poll(() => found('athanor.job.duration', { 'athanor.job.state': 'SUCCEEDED' })).toMatchObject({ count: 1 });
    expect(await found('athanor.job.progress')).toBeNaN();
    expect(await found('athanor.jobs', { 'athanor.job.state': 'RUNNING' })).toBe(0);
  });

  it('do not grow with the names and ids that callers make up', async () => {
    const { client, telemetry } = await start();
    const { inference, job } = client.protocol;
    const call = async (name: string): Promise<void> => {
      await Promise.allSettled([
        drain(client.serverStream(inference.Generate, { model: name, text: name })),
        client.unary(inference.Score, { model: name, pairs: [{ context: 'a', continuation: name }] }),
        client.unary(inference.Embed, { model: name, texts: [name] }),
        client.unary(job.Get, { jobId: name }),
      ]);
    };
    await drain(client.serverStream(inference.Generate, { model: 'm', text: 'x' }));
    await call('nobody');
    const before = await telemetry.points();
    for (let index = 0; index < 50; index++) await call(`nobody-${index}-${Math.random()}`);
    const after = await telemetry.points();
    expect(after.map(({ name, labels }) => [name, labels])).toEqual(before.map(({ name, labels }) => [name, labels]));
    expect(new Set(after.map(({ labels }) => labels['gen_ai.request.model']))).toEqual(new Set([undefined, 'm', '_OTHER']));
    expect(JSON.stringify(after)).not.toContain('nobody');
  });
});
