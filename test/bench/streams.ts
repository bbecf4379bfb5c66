// Tokens a second through gRPC streams and through HTTP server-sent events against the bare decode loop at the same batch:
// `npx tsx test/bench/streams.ts [wiki|gpt2-small] [streams] [tokens] [rounds]`.
//
// The server is a process of its own; the loop runs in this one, with the same engine settings, while the server waits. The sides take turns
// inside each round; medians over the rounds. Times are from the first request to the last token, prompts of four tokens included.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quietContext, Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { fastestForm, initializeModel } from '#models';
import { LoadedModel, ModelRunner } from '#serve';
import { AthanorClient } from '#server';
import { importHuggingFace, LocalStore } from '#store';
import { startServeProcess } from '#test/serve-process';
import { tokenizerFromFiles } from '#text';
import { gpt2Small } from './gpt2-small.ts';

const fixture = fileURLToPath(new URL('../fixtures/models/wiki-gpt2-7m', import.meta.url));
const prompt = [426, 917, 277, 10];

/** One way to the tokens: runs all streams to their end. */
type Side = (streams: number, tokens: number) => Promise<void>;

async function main(): Promise<void> {
  const [shape = 'wiki', ...numbers] = process.argv.slice(2);
  const [streams = 8, tokens = 200, rounds = 5] = numbers.map(Number);
  const folder = mkdtempSync(join(tmpdir(), 'athanor-streams-'));
  const imported = await importHuggingFace(fixture);
  const model = shape === 'gpt2-small' ? initializeModel(gpt2Small, new Random(1)) : imported.model;
  const store = await LocalStore.open(folder);
  await store.saveArtefact('model', { ...imported, model, meta: {} }, quietContext);
  const engine = await createOnnxEngine({ device: 'cpu' });
  const server = await startServeProcess(folder, ['--http', '127.0.0.1:0']);
  const client = new AthanorClient(server.target);
  const tokenizer = tokenizerFromFiles(imported.tokenizerFiles);
  const runner = await ModelRunner.create(engine, fastestForm(model), { name: 'loop', contextTokens: 512 });
  const loaded = await LoadedModel.load(engine, model, { tokenizer, contextTokens: 512, slots: streams });
  const sides: Readonly<Record<string, Side>> = {
    'bare loop': bareLoop(runner),
    'in this process': inProcess(loaded),
    gRPC: overGrpc(client),
    'HTTP events': overHttp(server.httpUrl ?? ''),
  };
  try {
    const times = new Map<string, number[]>();
    for (let round = -1; round < rounds; round++)
      for (const [name, side] of Object.entries(sides)) {
        const start = performance.now();
        await side(streams, tokens);
        // The first round loads and compiles.
        if (round >= 0) times.set(name, [...(times.get(name) ?? []), performance.now() - start]);
      }
    const speed = (name: string): number => (streams * tokens * 1000) / median(times.get(name) ?? []);
    process.stdout.write(
      `${shape}, ${streams} streams of ${tokens} tokens, ${rounds} rounds\n| side | tokens/s | of the loop |\n| --- | --- | --- |\n`,
    );
    for (const name of Object.keys(sides))
      process.stdout.write(`| ${name} | ${speed(name).toFixed(0)} | ${(speed(name) / speed('bare loop')).toFixed(2)}× |\n`);
  } finally {
    client.close();
    await server.end('SIGTERM');
    await loaded.unload();
    await runner.dispose();
    await engine.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Steps of all sequences with the likeliest token, and nothing else. */
function bareLoop(runner: ModelRunner): Side {
  let lastId = 0;
  return async (streams, tokens) => {
    const next = new Map<number, number>();
    for (let stream = 0; stream < streams; stream++) {
      const id = ++lastId;
      const results = await runner.run([{ id, tokens: prompt, wantsLogits: 'last' }]);
      next.set(id, likeliest(results.get(id)));
    }
    for (let count = 1; count < tokens; count++) {
      const results = await runner.run([...next].map(([id, token]) => ({ id, tokens: [token], wantsLogits: 'last' as const })));
      for (const id of next.keys()) next.set(id, likeliest(results.get(id)));
    }
    for (const id of next.keys()) runner.release(id);
  };
}

function inProcess(model: LoadedModel): Side {
  return (streams, tokens) => all(streams, () => counted(model.generate({ prompt, maxNewTokens: tokens, ignoreEnd: true }), tokens));
}

async function counted(events: AsyncIterable<{ readonly kind: string }>, tokens: number): Promise<void> {
  let seen = 0;
  for await (const event of events) if (event.kind === 'token') seen++;
  check(seen, tokens);
}

function overGrpc(client: AthanorClient): Side {
  const request = { model: 'model', tokens: { ids: prompt }, ignoreEnd: true };
  return (streams, tokens) =>
    all(streams, async () => {
      let seen = 0;
      for await (const { tokenIds } of client.serverStream(client.protocol.inference.Generate, { ...request, maxNewTokens: tokens }))
        seen += tokenIds.length;
      check(seen, tokens);
    });
}

function overHttp(url: string): Side {
  return (streams, tokens) =>
    all(streams, async () => {
      const response = await fetch(`${url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          prompt,
          max_tokens: tokens,
          temperature: 0,
          ignore_eos: true,
          stream: true,
          stream_options: { include_usage: true },
        }),
      });
      const text = await response.text();
      check(Number(/"completion_tokens":(\d+)/.exec(text)?.[1]), tokens);
    });
}

async function all(count: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, work));
}

function check(seen: number, tokens: number): void {
  if (seen !== tokens) throw new Error(`a stream brought ${seen} of ${tokens} tokens`);
}

function likeliest(logits: unknown): number {
  if (!(logits instanceof Float32Array)) throw new Error('the step failed');
  let best = 0;
  for (let id = 1; id < logits.length; id++) if ((logits[id] ?? 0) > (logits[best] ?? 0)) best = id;
  return best;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

await main();
