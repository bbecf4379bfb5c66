// Errors and their gRPC status: both ways through the details, and what stays at home.
import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode, errorCatalogue } from '#base';
import { decodeStatusDetails, encodeStatusDetails } from '#server';
import { fromStatus, toStatus } from '../../../src/server/status.ts';

describe('status', () => {
  it('brings every code of the catalogue back with its message and values', () => {
    for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
      if (code === 'internal') continue;
      const sent = toStatus(new AppError(code, 'place "ü": 3 of 4. Do that.', { details: { wanted: 4, name: 'ü' } }));
      const received = fromStatus({ ...sent, name: 'Error', message: sent.message });
      expect(received).toMatchObject({ code, message: `[${code}] place "ü": 3 of 4. Do that.`, details: { wanted: '4', name: 'ü' } });
    }
  });

  it('carries a field fault as a violation of BadRequest', () => {
    const bytes = toStatus(new AppError('bad_recipe', 'steps: must be a list.', { details: { field: 'steps' } })).metadata.get(
      'grpc-status-details-bin',
    )[0];
    expect(decodeStatusDetails(bytes as Buffer)).toMatchObject({
      status: 3,
      reason: 'bad_recipe',
      domain: 'athanor',
      fieldViolations: [{ field: 'steps', description: '[bad_recipe] steps: must be a list.' }],
    });
  });

  it('says how long to wait as RetryInfo', () => {
    const busy = toStatus(new AppError('overloaded', '8 requests wait.', { details: { retryAfterMs: 2345 } }));
    expect(busy.code).toBe(8); // RESOURCE_EXHAUSTED
    expect(decodeStatusDetails(busy.metadata.get('grpc-status-details-bin')[0] as Buffer)).toMatchObject({ retryDelayMs: 2345 });
    const other = decodeStatusDetails(toStatus(new AppError('bad_data', 'no.')).metadata.get('grpc-status-details-bin')[0] as Buffer);
    expect(other).not.toHaveProperty('retryDelayMs');
  });

  it('keeps long messages inside a header block', () => {
    const sent = toStatus(new AppError('bad_data', 'é'.repeat(10_000)));
    expect(encodeURI(sent.details).length).toBeLessThan(10_000);
  });

  it('can be sent whatever the caller wrote: half a character becomes a replacement', () => {
    for (const text of ['half \ud83d of one', `${'x'.repeat(1488)}😀`]) {
      const sent = toStatus(new AppError('bad_data', text));
      expect(encodeURI(sent.details)).toContain('%EF%BF%BD');
    }
  });

  it('has no details for other bytes', () => {
    const whole = encodeStatusDetails({ status: 3, message: 'm', reason: 'r', domain: 'd', metadata: { a: 'b' }, fieldViolations: [] });
    expect(decodeStatusDetails(whole.subarray(0, whole.length - 1))).toBeUndefined();
    expect(decodeStatusDetails(Buffer.from([0xff, 0xff, 0xff]))).toBeUndefined();
  });
});
