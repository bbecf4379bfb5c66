// Errors: the message's form, what other errors become, and the catalogue.
import { describe, expect, it } from 'vitest';
import { AppError, at, errorCatalogue, InvariantError, invariant, throwIfCancelled } from '#base';

const systemError = (code: string): Error => Object.assign(new Error(`${code}: open 'x'`), { code });

describe('AppError', () => {
  it('puts the code before the message and keeps values and cause', () => {
    const cause = new Error('inner');
    const error = new AppError('bad_config', 'config.json, n_embd: must be above 0.', { details: { field: 'n_embd' }, cause });
    expect(error.message).toBe('[bad_config] config.json, n_embd: must be above 0.');
    expect(error).toMatchObject({ name: 'AppError', code: 'bad_config', details: { field: 'n_embd' }, cause });
    expect(new AppError('internal', 'x')).toMatchObject({ details: {} });
    expect('cause' in new AppError('internal', 'x')).toBe(false);
  });

  it('keeps the place and the way out of a message that quotes something long', () => {
    const quoted = 'x'.repeat(50_000);
    const error = new AppError('bad_config', `config.json: "${quoted}" is too long. Shorten it.`, {
      details: { field: quoted, length: 50_000 },
    });
    expect(error.message.length).toBeLessThan(2100);
    expect(error.message).toMatch(/^\[bad_config\] config\.json: "x+ … x+" is too long\. Shorten it\.$/);
    expect(String(error.details['field']).length).toBeLessThan(2100);
    expect(error.details['length']).toBe(50_000);
  });

  it('leaves an AppError as it is', () => {
    const error = new AppError('diverged', 'step 3: the loss is NaN.');
    expect(AppError.from(error)).toBe(error);
  });

  it.each([
    ['ENOENT', 'file_not_found'],
    ['ENOTDIR', 'file_not_found'],
    ['EISDIR', 'file_not_found'],
    ['EEXIST', 'file_exists'],
    ['EACCES', 'file_not_allowed'],
    ['EPERM', 'file_not_allowed'],
    ['EROFS', 'file_not_allowed'],
    ['ENOSPC', 'disk_full'],
    ['EDQUOT', 'disk_full'],
    ['EFBIG', 'disk_full'],
    ['EWHATEVER', 'internal'],
  ] as const)('turns the system error %s into %s', (system, code) => {
    const cause = systemError(system);
    expect(AppError.from(cause)).toMatchObject({ code, cause });
  });

  it('turns aborts into cancelled, and everything else into internal', () => {
    const abort = new DOMException('stopped', 'AbortError');
    expect(AppError.from(abort)).toMatchObject({ code: 'cancelled', cause: abort });
    expect(AppError.from(new TypeError('x is undefined'))).toMatchObject({ code: 'internal', message: '[internal] x is undefined' });
    expect(AppError.from(new InvariantError('broken'))).toMatchObject({ code: 'internal' });
    for (const thrown of ['text', undefined, null, 7]) expect(AppError.from(thrown).message).toBe(`[internal] ${thrown}`);
  });
});

describe('the catalogue', () => {
  it('has a gRPC status and one sentence of advice for every code, and no code under two names', () => {
    for (const [code, { status, advice }] of Object.entries(errorCatalogue)) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(status).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
      expect(advice, code).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('uses every status of which callers are told', () => {
    const used = new Set(Object.values(errorCatalogue).map(({ status }) => status));
    for (const status of ['INVALID_ARGUMENT', 'NOT_FOUND', 'ALREADY_EXISTS', 'CANCELLED', 'INTERNAL', 'UNIMPLEMENTED'] as const)
      expect(used).toContain(status);
  });
});

describe('invariants', () => {
  it('throws an InvariantError with the reason, never an AppError', () => {
    expect(() => invariant(false, 'a buffer is held')).toThrow(new InvariantError('a buffer is held'));
    expect(() => invariant(0, 'zero')).toThrow(InvariantError);
    expect(() => invariant('x', 'fine')).not.toThrow();
  });

  it('reads what is there and refuses what is not', () => {
    expect(at([4, 5], 1)).toBe(5);
    expect(() => at([4, 5], 2)).toThrow('index 2 is outside 0..1');
    expect(() => at(new Float32Array(0), 0)).toThrow(InvariantError);
  });

  it('stops an operation whose signal was aborted', () => {
    const controller = new AbortController();
    expect(() => throwIfCancelled(controller.signal)).not.toThrow();
    controller.abort();
    expect(() => throwIfCancelled(controller.signal)).toThrow(/^\[cancelled\]/);
  });
});
