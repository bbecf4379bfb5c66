// A model above 2 GiB through everything: `npx tsx test/bench/large-model.ts`. Needs 12 GB of memory and 12 GB of disk, and takes some minutes.
//
// A random Llama of 607 million parameters with the tokenizer of stories260K is written as a Hugging Face folder, imported, asked, exported in both
// forms and imported again; its content must stay the same, and its answers too.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '#base';
import { initializeModel, type LlamaConfig, parameterCounts } from '#models';
import { AthanorClient } from '#server';
import { exportHuggingFace, importHuggingFace } from '#store';
import { startServeProcess } from '#test/serve-process';

const fixture = fileURLToPath(new URL('../fixtures/models/stories260K', import.meta.url));
const resultsPath = fileURLToPath(new URL('results/large-model.md', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'athanor-large-'));
const lines: string[] = [];

async function timed<Result>(what: string, work: () => Promise<Result>, note: (result: Result) => string = () => ''): Promise<Result> {
  const start = performance.now();
  const result = await work();
  const line = `| ${what} | ${((performance.now() - start) / 1000).toFixed(1)} s | ${note(result)} |`;
  console.log(line);
  lines.push(line);
  return result;
}

/** Log-likelihood of the ids after the first. */
const inPython = `
import json, os, sys
import numpy, onnxruntime
folder, ids = sys.argv[1], json.loads(sys.argv[2])
model = next(name for name in os.listdir(folder) if name.endswith('.onnx'))
session = onnxruntime.InferenceSession(os.path.join(folder, model))
logits = session.run(None, {session.get_inputs()[0].name: numpy.array([ids], dtype=numpy.int64)})[0].reshape(len(ids), -1).astype(numpy.float64)
logs = logits - numpy.log(numpy.exp(logits).sum(-1, keepdims=True))
print(sum(logs[place, token] for place, token in enumerate(ids[1:])))
`;

const largestFile = (of: string): string => {
  const sizes = readdirSync(of).map((name) => ({ name, bytes: statSync(join(of, name)).size }));
  const { name, bytes } = sizes.reduce((most, each) => (each.bytes > most.bytes ? each : most));
  return `${name}: ${(bytes / 2 ** 30).toFixed(2)} GiB`;
};

const server = await startServeProcess(join(folder, 'store'));
const client = new AthanorClient(server.target);
try {
  const small = await importHuggingFace(fixture);
  const wide = { width: 2048, heads: 16, keyValueHeads: 16, headWidth: 128, feedForwardWidth: 5504, layers: 12 };
  const config = { ...(small.model.config as LlamaConfig), ...wide };
  const source = join(folder, 'source');
  await timed(
    'write a random model as a Hugging Face folder',
    async () => {
      const model = initializeModel(config, new Random(1), 0.02);
      await exportHuggingFace(model, small.tokenizerFiles, source, { generation: small.generation });
      return parameterCounts(model).storedBytes;
    },
    (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB of weights`,
  );
  const hashOf = async (name: string): Promise<string> => (await client.unary(client.protocol.model.Get, { name })).model?.hash ?? '';
  const importAs = (name: string, path: string) => client.unary(client.protocol.model.Import, { name, path });
  const job = async (spec: object): Promise<void> => {
    const { job: submitted } = await client.unary(client.protocol.job.Submit, { spec });
    const jobId = submitted?.id ?? '';
    for await (const _ of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 1 }));
    const { job: end } = await client.unary(client.protocol.job.Get, { jobId });
    if (end?.state !== 'JOB_STATE_SUCCEEDED') throw new Error(`${end?.state}: ${end?.error?.message}`);
  };
  const scores = async (model: string): Promise<string> =>
    JSON.stringify(
      await client.unary(client.protocol.inference.Score, { model, pairs: [{ context: 'Once', continuation: ' upon a time' }] }),
    );

  await timed(
    'import',
    () => importAs('large', source),
    () => largestFile(source),
  );
  const answer = await timed('load and score', () => scores('large'));
  await timed(
    'export to ONNX',
    () => job({ export: { model: 'large', format: 'EXPORT_FORMAT_ONNX', path: join(folder, 'onnx') } }),
    () => largestFile(join(folder, 'onnx')),
  );
  const python = process.env['ATHANOR_BENCH_PYTHON'];
  if (python !== undefined) {
    const idsOf = async (text: string): Promise<number[]> => [
      ...((await client.unary(client.protocol.inference.Tokenize, { model: 'large', text, specialTokens: true })).ids ?? []),
    ];
    await timed(
      "run what was exported in Python's ONNX Runtime",
      async () => {
        const ids = await idsOf('Once upon a time');
        const { scores: ours } = await client.unary(client.protocol.inference.Score, {
          model: 'large',
          pairs: [{ contextTokens: { ids: ids.slice(0, 1) }, continuationTokens: { ids: ids.slice(1) } }],
        });
        const theirs = Number(execFileSync(python, ['-c', inPython, join(folder, 'onnx'), JSON.stringify(ids)], { encoding: 'utf8' }));
        return Math.abs(theirs - (ours[0]?.logLikelihood ?? Number.NaN));
      },
      (difference) => `log-likelihood differs by ${difference.toExponential(1)}`,
    );
  }
  rmSync(join(folder, 'onnx'), { recursive: true });
  await timed(
    'export to Hugging Face',
    () => job({ export: { model: 'large', format: 'EXPORT_FORMAT_HF', path: join(folder, 'hf') } }),
    () => largestFile(join(folder, 'hf')),
  );
  await timed('import what was exported', () => importAs('again', join(folder, 'hf')));
  const [before, after] = [await hashOf('large'), await hashOf('again')];
  if (before !== after || (await scores('again')) !== answer) throw new Error(`the export is another model: ${before}, ${after}`);
  await timed('8-bit weights by round-to-nearest', () =>
    job({ compress: { model: 'large', name: 'small', recipe: { steps: [{ quantize: { bits: 8, groupSize: 64 } }] } } }),
  );
  await timed('load and score the 8-bit model', () => scores('small'));
  writeFileSync(
    resultsPath,
    [
      '# A model above 2 GiB',
      '',
      'Made by `npx tsx test/bench/large-model.ts`. Content hash and scores are the same after an export and an import.',
      '',
      '| step | time | |',
      '| --- | --- | --- |',
      ...lines,
      '',
    ].join('\n'),
  );
} finally {
  client.close();
  await server.end('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}
