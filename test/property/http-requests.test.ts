// Requests from outside that are broken, hostile or huge: each gets an answer that is no defect of the server, and leaves nothing open or kept.
//
// CI sends a few hundred; ATHANOR_FUZZ_RUNS=100000 is the long run, ATHANOR_FUZZ_SEED begins elsewhere.
import { Agent, request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { saying, scripted } from '../unit/http/scripted-backend.ts';
import { corpus, type Framing, hostileFile } from './hostile-files.ts';

const runs = Number(process.env['ATHANOR_FUZZ_RUNS'] ?? 300);
const seed = Number(process.env['ATHANOR_FUZZ_SEED'] ?? 1);
/** For requests that hang, not for slow machines. */
const hangsAfterMs = 30_000;
/** Of the processor. */
const mostSeconds = 1;

const json: Framing = {
  parse(bytes) {
    try {
      return JSON.parse(bytes.toString()) as unknown;
    } catch {
      return undefined;
    }
  },
  frame: (text) => Buffer.from(text),
};

const endpoints = [
  '/v1/completions',
  '/v1/chat/completions',
  '/v1/embeddings',
  '/tokenize',
  '/detokenize',
  '/v1/models',
  '/tokenizer_info',
];

/** Paths as they stand in a request: endpoints, endpoints of a named model, and whatever a request line may hold. */
const paths: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...endpoints) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom('', '/models/fake', '/models/..', '/models/%2e%2e%2f', '//', '/models/%00', '/v1/models/', '/constructor'),
        fc.constantFrom(...endpoints, '', '?a=b', '#c', '/%E0%A4%A', '/__proto__'),
      )
      .map(([before, path]) => `/${before}${path}`.replace(/^\/\/?(?=\/)/, '')),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^\/[!-~]{0,200}$/) },
);

const headers = fc.record(
  {
    'content-type': fc.constantFrom('application/json', 'text/plain', 'multipart/form-data; boundary=x', ''),
    'content-encoding': fc.constantFrom('identity', 'gzip', 'br'),
    authorization: fc.stringMatching(/^[ -~]{0,100}$/),
    traceparent: fc.stringMatching(/^[ -~]{0,80}$/),
    expect: fc.constant('100-continue'),
  },
  { requiredKeys: [] },
);

it('are answered within a second of work, never as a defect, and without keeping memory', {
  timeout: Math.max(120_000, runs * 40),
}, async () => {
  const logged: string[] = [];
  const note = (message: string): void => void logged.push(message);
  const logger = { debug() {}, info() {}, warn: note, error: note };
  const { server } = await scripted(saying('a', 'b'), { logger });
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const answer = (method: string, path: string, header: Readonly<Record<string, string>>, body: Buffer) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const options = {
        port: server.port,
        agent,
        method,
        path,
        headers: { ...header, 'content-length': body.length },
        timeout: hangsAfterMs,
      };
      const sent = httpRequest(options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
        response.on('error', reject);
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer')));
      sent.on('error', reject);
      sent.end(body);
    });

  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('POST', 'POST', 'POST', 'GET', 'PUT', 'DELETE', 'OPTIONS'),
      paths,
      headers,
      hostileFile(corpus('http'), json),
      async (method, path, header, body) => {
        const started = process.cpuUsage();
        const { status, text } = await answer(method, path, header as Record<string, string>, body);
        const { user, system } = process.cpuUsage(started);
        expect((user + system) / 1e6, 'seconds').toBeLessThan(mostSeconds);
        seen.set(status, (seen.get(status) ?? 0) + 1);
        expect(status, text.slice(0, 500)).not.toBe(500);
        if (status < 400) return;
        const { error } = JSON.parse(text) as { error: { message: string; code: string } };
        expect(error.code).toMatch(/^[a-z_]+$/);
        // Messages quote at most a part of what was sent.
        expect(error.message.length).toBeLessThan(4000);
      },
    ),
    { numRuns: runs, seed, endOnFailure: true },
  );
  agent.destroy();
  // The property is about both kinds of request.
  expect(seen.get(200)).toBeGreaterThan(runs / 50);
  expect(seen.get(400)).toBeGreaterThan(runs / 50);
  expect(logged).toEqual([]);
  expect(server.openRequests).toBe(0);
  globalThis.gc?.();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(32 * 2 ** 20);
});
