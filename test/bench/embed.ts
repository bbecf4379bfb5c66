// Embed with all-MiniLM-L6-v2, 32 sentences, against sentence-transformers on PyTorch fp32: `npx tsx test/bench/embed.ts [rounds] [threads]`.
//
// ATHANOR_BENCH_PYTHON names a Python with torch and sentence-transformers. The sides take turns inside each round, tokenizing and normalizing
// included; medians over the rounds, and the largest difference between the vectors. Sentences are cut from the text of the fixtures, 4 to 40 words.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { quietContext, Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { LoadedEncoder } from '#serve';
import { importHuggingFace } from '#store';
import { miniLmFolder } from '#test/minilm';
import { tokenizerFromFiles } from '#text';
import { median } from './peer.ts';

/** Sentences of mixed lengths, the same in every run. */
function sentences(count: number): string[] {
  const text = readFileSync(new URL('../fixtures/text/evaluate.txt', import.meta.url), 'utf8');
  const words = text.split(/\s+/).filter((word) => /^[\w.,'-]+$/.test(word));
  const random = new Random(7);
  return Array.from({ length: count }, () => {
    const length = 4 + random.integer(37);
    const start = random.integer(words.length - length);
    return words.slice(start, start + length).join(' ');
  });
}

interface SentencePeer {
  readonly vectors: readonly (readonly number[])[];
  step(): Promise<number>;
  stop(): void;
}

async function startPeer(folder: string, texts: readonly string[], threads: number): Promise<SentencePeer> {
  const python = process.env['ATHANOR_BENCH_PYTHON'] ?? 'python3';
  const script = fileURLToPath(new URL('./embed.py', import.meta.url));
  const child = spawn(python, [script, JSON.stringify({ folder, texts, threads })], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the Python side ended; does it have torch and sentence-transformers?');
    return JSON.parse(value) as T;
  };
  const { vectors } = await read<{ vectors: number[][] }>();
  const step = async (): Promise<number> => {
    child.stdin.write('step\n');
    return (await read<{ milliseconds: number }>()).milliseconds;
  };
  return { vectors, step, stop: () => child.stdin.end() };
}

async function main(): Promise<void> {
  const [rounds = 15, threads = 2] = process.argv.slice(2).map(Number);
  const found = await miniLmFolder();
  if ('missing' in found) throw new Error(found.missing);
  const texts = sentences(32);
  const engine = await createOnnxEngine({ device: 'cpu', threads });
  const { model, tokenizerFiles } = await importHuggingFace(found.folder);
  const tokenizer = tokenizerFromFiles(tokenizerFiles);
  const encoder = await LoadedEncoder.load(engine, model, { tokenizer });
  const peer = await startPeer(found.folder, texts, threads);
  const samples = { athanor: [] as number[], tokenizing: [] as number[], peer: [] as number[] };
  let largest = 0;
  for (let round = 0; round <= rounds; round++) {
    const start = performance.now();
    const answers = await encoder.embed(texts, {}, quietContext);
    const ours = performance.now() - start;
    const tokenizing = performance.now();
    for (const text of texts) tokenizer.encode(text, { addSpecialTokens: true });
    const tokenized = performance.now() - tokenizing;
    const theirs = await peer.step();
    if (round === 0) {
      for (const [row, { values }] of answers.entries())
        for (const [column, value] of values.entries()) largest = Math.max(largest, Math.abs(value - (peer.vectors[row]?.[column] ?? NaN)));
      continue;
    }
    samples.athanor.push(ours);
    samples.tokenizing.push(tokenized);
    samples.peer.push(theirs);
  }
  const [ours, theirs] = [median(samples.athanor), median(samples.peer)];
  const { tokens, batches, paddedTokens } = encoder.gauges;
  process.stdout.write(
    `embed 32 sentences, ${threads} threads, ${rounds} rounds, ${tokens / (rounds + 1)} tokens in ${batches / (rounds + 1)} batches, ` +
      `${((100 * paddedTokens) / (tokens + paddedTokens)).toFixed(0)} % padding\n` +
      `athanor ${ours.toFixed(1)} ms (tokenizing ${median(samples.tokenizing).toFixed(1)} ms), sentence-transformers fp32 ${theirs.toFixed(1)} ms: ` +
      `${(theirs / ours).toFixed(2)}× (fastest calls ${Math.min(...samples.athanor).toFixed(1)} and ${Math.min(...samples.peer).toFixed(1)} ms); ` +
      `largest difference ${largest.toExponential(1)}\n`,
  );
  peer.stop();
  await encoder.unload();
  await engine.dispose();
}

await main();
