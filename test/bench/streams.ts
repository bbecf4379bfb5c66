// Tokens a second through gRPC streams and through HTTP server-sent events against the bare decode loop at the same batch:
// `npx tsx test/bench/streams.ts [wiki|gpt2-small] [streams] [tokens] [rounds]`.
//
// The server is a process of its own; the loop runs in this one, with the same engine settings, while the server waits. The sides take turns
// inside each round; medians over the rounds. The streams' times are from the first request to the last token, prompts of four tokens included;
// the loop's leave the prompts out.
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
import { bareLoop } from './bare-loop.ts';
import { gpt2Small } from './gpt2-small.ts';
import { median } from './peer.ts';

const fixture = fileURLToPath(new URL('../fixtures/models/wiki-gpt2-7m', import.meta.url));
const prompt = [426, 917, 277, 10];

/** One way to the tokens: runs all streams to their end and answers the tokens of a second. */
type Side = (streams: number, tokens: number) => Promise<number>;

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
    'bare loop': (count, length) => bareLoop(runner, Array(count).fill(prompt), length),
    'in this process': inProcess(loaded),
    gRPC: overGrpc(client),
    'HTTP events': overHttp(server.httpUrl ?? ''),
  };
  try {
    const rates = new Map<string, number[]>();
    for (let round = -1; round < rounds; round++)
      for (const [name, side] of Object.entries(sides)) {
        const rate = await side(streams, tokens);
        // The first round loads and compiles.
        if (round >= 0) rates.set(name, [...(rates.get(name) ?? []), rate]);
      }
    const speed = (name: string): number => median(rates.get(name) ?? []);
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

function inProcess(model: LoadedModel): Side {
  return (streams, tokens) =>
    rateOf(streams, tokens, () => counted(model.generate({ prompt, maxNewTokens: tokens, ignoreEnd: true }), tokens));
}

async function counted(events: AsyncIterable<{ readonly kind: string }>, tokens: number): Promise<void> {
  let seen = 0;
  for await (const event of events) if (event.kind === 'token') seen++;
  check(seen, tokens);
}

function overGrpc(client: AthanorClient): Side {
  const request = { model: 'model', tokens: { ids: prompt }, ignoreEnd: true };
  return (streams, tokens) =>
    rateOf(streams, tokens, async () => {
      let seen = 0;
      for await (const { tokenIds } of client.serverStream(client.protocol.inference.Generate, { ...request, maxNewTokens: tokens }))
        seen += tokenIds.length;
      check(seen, tokens);
    });
}

function overHttp(url: string): Side {
  return (streams, tokens) =>
    rateOf(streams, tokens, async () => {
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

/** Tokens a second of streams that run side by side. */
async function rateOf(streams: number, tokens: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await Promise.all(Array.from({ length: streams }, work));
  return (streams * tokens * 1000) / (performance.now() - start);
}

function check(seen: number, tokens: number): void {
  if (seen !== tokens) throw new Error(`a stream brought ${seen} of ${tokens} tokens`);
}

await main();
