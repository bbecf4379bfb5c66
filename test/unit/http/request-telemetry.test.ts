// Spans and durations of HTTP requests.
import { describe, expect, it } from 'vitest';
import { AppError } from '#base';
import { spanNamed, telemetryOfTest } from '#test/recorded-telemetry';
import { babbling, saying, scripted } from './scripted-backend.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('an HTTP request', () => {
  it('is a span of the trace that the client began, and a reading of its duration', async () => {
    const telemetry = telemetryOfTest();
    const { url } = await scripted(saying('a'), { telemetry });
    const body = JSON.stringify({ prompt: 'x' });
    const headers = { 'content-type': 'application/json', traceparent };
    const response = await fetch(`${url}/models/fake/v1/completions?x=1`, { method: 'POST', headers, body });
    expect(response.status).toBe(200);
    await expect.poll(() => telemetry.spans().length).toBe(1);
    const span = spanNamed(telemetry.spans(), 'POST /v1/completions');
    expect(span.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c');
    expect(span.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(span.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/completions',
      'http.response.status_code': 200,
      'url.scheme': 'http',
      'network.peer.address': expect.any(String),
      'network.peer.port': expect.any(Number),
    });
    const points = (await telemetry.points()).filter(({ name }) => name === 'http.server.request.duration');
    expect(points).toMatchObject([
      {
        unit: 's',
        labels: {
          'http.request.method': 'POST',
          'http.route': '/v1/completions',
          'http.response.status_code': '200',
          'url.scheme': 'http',
        },
        value: { count: 1 },
      },
    ]);
  });

  it('has labels of closed sets, whatever is asked for', async () => {
    const telemetry = telemetryOfTest();
    const { url } = await scripted(saying('a'), { telemetry });
    await fetch(`${url}/v1/models/whoever`);
    await fetch(`${url}/anything/else`);
    await fetch(`${url}/v1/models`, { method: 'PROPFIND' });
    await expect.poll(() => telemetry.spans().length).toBe(3);
    expect(telemetry.spans().map(({ name }) => name)).toEqual(['GET /v1/models/{model}', 'GET', '_OTHER /v1/models']);
    const labels = (await telemetry.points()).filter(({ name }) => name === 'http.server.request.duration').map((point) => point.labels);
    expect(labels.map((each) => [each['http.route'], each['http.response.status_code']])).toEqual([
      ['/v1/models/{model}', '404'],
      [undefined, '404'],
      ['/v1/models', '405'],
    ]);
  });

  it('is a failure where the server is at fault', async () => {
    const telemetry = telemetryOfTest();
    const { post } = await scripted(
      () => {
        throw new AppError('engine_failure', 'the device is gone.');
      },
      { telemetry },
    );
    await post('/v1/completions', { prompt: 'x' });
    await expect.poll(() => telemetry.spans().length).toBe(1);
    expect(telemetry.spans()[0]!.attributes).toMatchObject({ 'error.type': '500', 'http.response.status_code': 500 });
    expect(telemetry.spans()[0]!.status.code).toBe(2);
  });

  it('says so when the client left before its end', async () => {
    const telemetry = telemetryOfTest();
    const { url } = await scripted(babbling('a'), { telemetry });
    const leaving = new AbortController();
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ prompt: 'x', stream: true });
    const response = await fetch(`${url}/v1/completions`, { method: 'POST', headers, body, signal: leaving.signal });
    await response.body!.getReader().read();
    leaving.abort();
    await expect.poll(() => telemetry.spans().map((span) => span.attributes['http.response.status_code'])).toEqual([499]);
  });
});
