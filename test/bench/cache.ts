// What a key-value cache of 8 bits does to the answers of the demo model: `npx tsx test/bench/cache.ts [windows] [tokens]`.
//
// Windows of held-out text run behind half of them as a prompt, one token a step: bits a byte of those tokens, and how often the likeliest one is the same.
import type { CacheFormat } from '#models';
import { Sequences } from '#test/sequences';
import { openWikiModel } from './wiki-model.ts';

const [windows = 32, length = 256] = process.argv.slice(2).map(Number);
const together = 16;

const { engine, model, heldOut } = await openWikiModel({ windows: 8 });
const promptTokens = length / 2;

interface Reading {
  /** Nats of all tokens behind the prompts. */
  readonly loss: number;
  /** The likeliest token at every place. */
  readonly likeliest: readonly number[];
  readonly cacheBytes: number;
}

function windowAt(index: number): number[] {
  return Array.from({ length }, (_, place) => heldOut.tokens[index * length + place] ?? 0);
}

async function readingOf(cache: CacheFormat): Promise<Reading> {
  let loss = 0;
  let cacheBytes = 0;
  const likeliest: number[] = [];
  for (let first = 0; first < windows; first += together) {
    const sequences = await Sequences.create(engine, model, { name: cache, contextTokens: length, cache });
    const texts = Array.from({ length: Math.min(together, windows - first) }, (_, index) => windowAt(first + index));
    const run = (from: number, to: number) =>
      sequences.run(texts.map((tokens, id) => ({ id, tokens: tokens.slice(from, to), wantsLogits: 'last' })));
    let results = await run(0, promptTokens);
    for (let place = promptTokens; place < length; place++) {
      for (const [id, tokens] of texts.entries()) {
        const logits = results.get(id);
        if (!(logits instanceof Float32Array)) throw logits ?? new Error('no logits');
        const best = logits.reduce((most, value, token) => (value > (logits[most] ?? value) ? token : most), 0);
        const top = logits[best] ?? 0;
        const total = logits.reduce((sum, value) => sum + Math.exp(value - top), 0);
        loss += Math.log(total) + top - (logits[tokens[place] ?? 0] ?? 0);
        likeliest.push(best);
      }
      results = await run(place, place + 1);
    }
    cacheBytes = sequences.runner.cacheBytes;
    await sequences.dispose();
  }
  return { loss, likeliest, cacheBytes };
}

const bytesPerToken = heldOut.bytes / heldOut.tokens.length;
const [exact, coded] = [await readingOf('float32'), await readingOf('int8')];
const bits = ({ loss, likeliest }: Reading): number => loss / Math.LN2 / (likeliest.length * bytesPerToken);
const same = exact.likeliest.filter((token, index) => token === coded.likeliest[index]).length / exact.likeliest.length;
console.log(`tokens ${exact.likeliest.length}`);
console.log(`bits a byte, float32 ${bits(exact).toFixed(5)}, int8 ${bits(coded).toFixed(5)}`);
console.log(`the same likeliest token ${(100 * same).toFixed(2)} %`);
console.log(`bytes of the cache, float32 ${exact.cacheBytes}, int8 ${coded.cacheBytes}`);
await engine.dispose();
