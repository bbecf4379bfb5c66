// Batches of every task over the wire: what a teacher on another server is asked is what the student's trainer drew.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, quietContext } from '#base';
import { fullAnswers, topAnswers } from '#distill';
import type { TeacherConnection, TeacherQuestion } from '#jobs';
import { AthanorClient, teacherConnector } from '#server';
import { hostTensor, int64 } from '#tensor';
import { temporaryFolderForSuite } from '#test/temporary';
import { startTrivialServer, type TrivialServer } from '#test/trivial-server';
import { pairBatch } from '#text';
import type { TrainingBatch } from '#train';

let server: TrivialServer;
let connection: TeacherConnection;
const asked: TeacherQuestion[] = [];
let failures = 0;
const choices = 700;
/** Rows that no two are alike. */
const rows = (count: number): Float32Array => Float32Array.from({ length: count * choices }, (_, index) => -((index * 37) % 701) / 50);

beforeAll(async () => {
  server = await startTrivialServer({
    handlers: [],
    folder: temporaryFolderForSuite(),
    inference: {
      distributions: async (_, question) => {
        if (failures > 0) {
          failures--;
          throw new AppError('overloaded', 'too many.', { details: { retryAfterMs: 1 } });
        }
        asked.push(question);
        const count = 3000; // more than one message holds
        return question.form.kind === 'full' ? fullAnswers(rows(count), choices) : topAnswers(rows(count), choices, question.form.topK);
      },
      describe: async () => ({ reference: 'm@1', task: 'causal', vocabularySize: choices, contextTokens: 8, tokens: {}, width: 8 }),
    },
  });
  connection = teacherConnector({ pauseMs: 1 })(server.target);
});
afterAll(async () => {
  connection.close();
  await server.close();
});

const tokens = int64([2, 4], [5, 6, 7, 0, 8, 9, 0, 0]);
const mask = hostTensor('bool', [2, 4], Uint8Array.of(1, 1, 1, 0, 1, 1, 0, 0));
const tokenTypes = int64([2, 4], [0, 1, 1, 0, 0, 0, 0, 0]);
const plain = int64([2, 4], [5, 6, 7, 4, 8, 9, 3, 2]);
const all = hostTensor('bool', [2, 4], new Uint8Array(8).fill(1));
const pair = pairBatch(
  [
    { source: Int32Array.of(4, 5), target: Int32Array.of(6) },
    { source: Int32Array.of(7), target: Int32Array.of(8, 9) },
  ],
  { sourceLength: 3, length: 4, padToken: 1 },
);

const batches: readonly (readonly [string, TrainingBatch, object])[] = [
  ['running text', { tokens: plain, labels: plain }, { tokens: plain, mask: all }],
  ['texts of pairs', { tokens, mask, tokenTypes, labels: int64([2], [0, 1]) }, { tokens, mask, tokenTypes }],
  [
    'hidden tokens',
    { tokens, mask, labels: int64([2], [5, 6]), rows: int64([2], [1, 4]), weights: hostTensor('float32', [2]) },
    { tokens, mask, rows: int64([2], [1, 4]), labels: int64([2], [0, 0]) },
  ],
  ['pairs', pair, { sourceMask: pair.sourceMask, labels: pair.labels }],
];

describe('a batch over the wire', () => {
  it.each(batches)('of %s comes as it was drawn', async (_, batch, wanted) => {
    const question = { model: 'm', batch, form: { kind: 'top', topK: 3 }, temperature: 2, tokenizerHash: 'abc' } as const;
    const answers = await connection.answers(question, quietContext.signal);
    expect(asked.at(-1)).toMatchObject({ batch: wanted, form: { kind: 'top', topK: 3 }, temperature: 2, tokenizerHash: 'abc' });
    expect(answers).toEqual(topAnswers(rows(3000), choices, 3));
  });

  it('brings every answer where no number is asked for, in several messages', async () => {
    const batch = { tokens: plain, labels: plain };
    const answers = await connection.answers(
      { model: 'm', batch, form: { kind: 'full' }, temperature: 1, tokenizerHash: '' },
      quietContext.signal,
    );
    const wanted = fullAnswers(rows(3000), choices);
    expect(answers.kind).toBe('full');
    expect(Buffer.from(answers.logProbabilities.buffer).equals(Buffer.from(wanted.logProbabilities.buffer))).toBe(true);
  });

  it('is asked again while the server is overloaded, and not once it is cancelled', async () => {
    failures = 2;
    const question = {
      model: 'm',
      batch: { tokens: plain, labels: plain },
      form: { kind: 'top', topK: 1 },
      temperature: 1,
      tokenizerHash: '',
    } as const;
    const before = asked.length;
    await connection.answers(question, quietContext.signal);
    expect([failures, asked.length]).toEqual([0, before + 1]);
    failures = 1000;
    await expect(connection.answers(question, AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'cancelled' });
    failures = 0;
  });

  it.each([
    ['sequences', {}],
    ['length', { sequences: [{ ids: [1] }], length: 0 }],
    ['sequences[1]', { sequences: [{ ids: [1] }, { ids: [1, 2, 3] }], length: 2 }],
    ['sources', { sequences: [{ ids: [1] }, { ids: [2] }], length: 2, sources: [{ ids: [1] }], sourceLength: 2 }],
    ['rows', { sequences: [{ ids: [1] }], length: 2, rows: [2] }],
    ['token_types', { sequences: [{ ids: [1] }], length: 2, tokenTypes: [{ ids: [0, 0] }] }],
    ['temperature', { sequences: [{ ids: [1] }], length: 2, temperature: 0 }],
  ])('that is wrong names %s', async (field, request) => {
    const client = new AthanorClient(server.target);
    const call = async (): Promise<void> => {
      for await (const _ of client.serverStream(client.protocol.inference.Distributions, { model: 'm', ...request }));
    };
    await expect(call()).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(`${field}: `) });
    client.close();
  });
});
