// Every query of the dashboard against a scrape of the real server.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { parseScrape, queriesOf, type Scrape, selectorsOf } from '#test/promql';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';
import { type RunningTelemetry, startTelemetry } from '../../src/telemetry/index.ts';

const fixture = (path: string): string => new URL(`../fixtures/${path}`, import.meta.url).pathname;
const dashboard = new URL('../../deploy/grafana-dashboard.json', import.meta.url);

const store = temporaryFolderForSuite();
let telemetry: RunningTelemetry;
let running: RunningServer;
let client: AthanorClient;
let scrape: Scrape;

async function scrapeNow(): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${telemetry.metricsPort}/metrics`);
  expect(response.status).toBe(200);
  return response.text();
}

/** Imports, generates, scores, refuses, and leaves a training job running. */
async function makeTraffic(): Promise<void> {
  const { model, inference, job } = client.protocol;
  await client.unary(model.Import, { name: 'teacher', path: fixture('models/wiki-gpt2-7m') });
  const generate = async (text: string): Promise<void> => {
    for await (const _ of client.serverStream(inference.Generate, { model: 'teacher', text, maxNewTokens: 6, ignoreEnd: true }));
  };
  await Promise.all([generate('The city of'), generate('In the year'), generate('She')]);
  await client.unary(inference.Score, { model: 'teacher', pairs: [{ context: 'The city', continuation: ' of' }] });
  await fetch(`http://127.0.0.1:${running.http?.port}/v1/models`);
  await expect(client.unary(inference.Tokenize, { model: 'nobody', text: 'x' })).rejects.toThrow('model_not_found');
  const data = { paths: [fixture('text/distill.txt')] };
  const evaluate = { model: 'teacher', data: { inlineText: Buffer.from('The city of Rome was not built in a day. '.repeat(8)) } };
  const settings = { window: 32, latency: false };
  const { job: evaluation } = await client.unary(job.Submit, { spec: { evaluate: { ...evaluate, settings } } });
  for await (const _ of client.serverStream(job.Watch, { jobId: evaluation?.id ?? '' }));
  const distill = { student: 'teacher', name: 'endless', data, settings: { steps: 100_000, batchSize: 1, sequenceLength: 16 } };
  const { job: training } = await client.unary(job.Submit, { spec: { distill } });
  for await (const { event } of client.serverStream(job.Watch, { jobId: training?.id ?? '' }))
    if (event?.progress?.metrics?.['loss'] !== undefined) break;
}

beforeAll(async () => {
  telemetry = await startTelemetry({ metricsAddress: '127.0.0.1:0', version: 'test' });
  running = await startServer({
    store,
    address: '127.0.0.1:0',
    httpAddress: '127.0.0.1:0',
    telemetry: telemetry.telemetry,
    checkResults: false,
  });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  await makeTraffic();
  scrape = parseScrape(await scrapeNow());
});

afterAll(async () => {
  client?.close();
  await running?.stop({ graceMs: 1000 });
  await telemetry?.stop();
});

/** Why a query would find nothing; empty when it finds something. */
function faultsOf(query: string): readonly string[] {
  return selectorsOf(query).flatMap(({ metric, matchers, groupedBy }) => {
    const labels = scrape.get(metric);
    if (labels === undefined) return [`${metric} is not scraped`];
    const unknown = [...matchers.map(({ label }) => label), ...groupedBy].filter((label) => !labels.has(label));
    const unmatched = matchers.filter(({ label, operator, value }) => {
      const values = [...(labels.get(label) ?? [])];
      // What a variable of the dashboard stands for is the reader's choice.
      if (value === '' || values.length === 0) return false;
      const matches = (one: string): boolean => (operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(one) : one === value);
      return !values.some((one) => matches(one) !== operator.startsWith('!'));
    });
    return [
      ...unknown.map((label) => `${metric} has no label ${label}`),
      ...unmatched.map(({ label, operator, value }) => `${metric}: no series has ${label}${operator}"${value}"`),
    ];
  });
}

describe('the dashboard', () => {
  it('asks only for series that the server has, by labels that they have', async () => {
    const queries = queriesOf(JSON.parse(await readFile(dashboard, 'utf8')));
    expect(queries.length).toBeGreaterThan(25);
    for (const query of queries) expect(selectorsOf(query), query).not.toHaveLength(0);
    expect(queries.flatMap((query) => faultsOf(query).map((fault) => `${query}: ${fault}`))).toEqual([]);
  });

  it('shows every metric of the server', async () => {
    const asked = new Set(
      queriesOf(JSON.parse(await readFile(dashboard, 'utf8')))
        .flatMap(selectorsOf)
        .map(({ metric }) => plain(metric)),
    );
    const scraped = new Set([...scrape.keys()].map(plain));
    scraped.delete('target_info');
    expect([...scraped].filter((metric) => !asked.has(metric))).toEqual([]);
  });

  it.each([
    ['sum(rate(athanor_token_total[5m]))', 'athanor_token_total is not scraped'],
    ['sum by (kind) (athanor_jobs)', 'athanor_jobs has no label kind'],
    ['athanor_jobs{athanor_job_state="SLEEPING"}', 'athanor_jobs: no series has athanor_job_state="SLEEPING"'],
    ['athanor_jobs{state=~".*"}', 'athanor_jobs has no label state'],
    ['label_values(athanor_jobs, kind)', 'athanor_jobs has no label kind'],
  ])('would be found out with the query %s', (query, fault) => {
    expect(faultsOf(query)).toEqual([fault]);
  });
});

describe('a scrape', () => {
  it('is at /metrics and nowhere else', async () => {
    const base = `http://127.0.0.1:${telemetry.metricsPort}`;
    expect((await fetch(`${base}/`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${base}/metrics`)).headers.get('content-type')).toContain('text/plain');
  });

  it('holds readings of memory, batches and training that can be true', async () => {
    const text = await scrapeNow();
    const reading = (series: string): number =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.slice(series.length),
      );
    // 7 million parameters in 4 bytes, at the least.
    expect(reading('athanor_model_memory{athanor_model_name="teacher"}')).toBeGreaterThan(27_000_000);
    expect(reading('athanor_device_memory{athanor_device="cpu"}')).toBeGreaterThan(27_000_000);
    expect(reading('process_memory_usage')).toBeGreaterThan(50_000_000);
    expect(reading('athanor_batch_size_sum{athanor_step_kind="decode"}')).toBe(15);
    expect(reading('athanor_job_loss{athanor_job_kind="distill"}')).toBeGreaterThan(1);
  });
});

/** Without what the exporter adds to a histogram's or counter's name. */
function plain(metric: string): string {
  return metric.replace(/_(bucket|sum|count|total)$/, '');
}
