// The main job on an embedded model and embedded text: import, compress, distill, evaluate, generate, all through the real server.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AthanorClient, type ReportMessage } from '#server';
import { startServer } from './compose.ts';
import { type EndedJob, followJob } from './follow-job.ts';
import { bytesText, countText, Output } from './output.ts';
import { reportsText } from './reports.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../../test/fixtures/${path}`, import.meta.url));

const teacherFolder = fixture('models/wiki-gpt2-7m');
const trainingText = fixture('text/distill.txt');
const evaluationText = fixture('text/evaluate.txt');
const prompt = 'The city of';

/** Chosen so that the whole demo ends within three minutes on two cores. */
const distillation = { steps: 300, batchSize: 8, sequenceLength: 128, learningRate: 3e-4, warmupSteps: 10, temperature: 1, alpha: 0.9 };

export interface DemoOptions {
  readonly json?: boolean;
  /** Optimizer steps of the distillation. */
  readonly steps?: number;
  /** Keep the store in this folder; a temporary one when absent. */
  readonly store?: string;
}

/** Prints the table of the teacher, the halved model, and the halved model distilled back. */
export async function demo({ json = false, steps = distillation.steps, store }: DemoOptions): Promise<void> {
  const output = new Output(json);
  const folder = store ?? (await mkdtemp(join(tmpdir(), 'athanor-demo-')));
  try {
    const running = await startServer({ store: folder, address: '127.0.0.1:0' });
    const client = new AthanorClient(`127.0.0.1:${running.server.port}`);
    const end = (): void => process.exit(130);
    process.once('SIGINT', end);
    try {
      await new Demo(client, output, steps).run();
    } finally {
      process.off('SIGINT', end);
      client.close();
      await running.stop({ graceMs: 1000 });
    }
  } catch (error) {
    output.error(error);
    process.exitCode = 1;
  } finally {
    if (store === undefined) await rm(folder, { recursive: true, force: true });
  }
}

interface Generated {
  readonly model: string;
  readonly text: string;
}

class Demo {
  readonly #client: AthanorClient;
  readonly #output: Output;
  readonly #steps: number;
  #stepNumber = 0;

  constructor(client: AthanorClient, output: Output, steps: number) {
    this.#client = client;
    this.#output = output;
    this.#steps = steps;
  }

  async run(): Promise<void> {
    const started = performance.now();
    await this.#import();
    await this.#compress();
    await this.#distill();
    const reports = await this.#evaluateAll(['teacher', 'half', 'half-distilled']);
    const texts = [await this.#generate('teacher'), await this.#generate('half-distilled')];
    const seconds = (performance.now() - started) / 1000;
    this.#output.result({ reports: Object.fromEntries(reports), texts, seconds }, () =>
      [
        '',
        reportsText(reports),
        '',
        ...texts.map(({ model, text }) => `${model}: ${prompt}${text.replaceAll('\n', ' ')}`),
        '',
        `done in ${seconds.toFixed(0)} s`,
      ].join('\n'),
    );
  }

  async #import(): Promise<void> {
    this.#announce('import the teacher');
    const { model } = await this.#client.unary(this.#client.protocol.model.Import, { name: 'teacher', path: teacherFolder });
    this.#say(
      `${model?.architecture ?? ''}, ${countText(model?.logicalParameters ?? 0)} parameters, ${bytesText(model?.storedBytes ?? 0)}`,
    );
  }

  async #compress(): Promise<void> {
    this.#announce('halve the matrices of its blocks: low rank, whitened by calibration text');
    const recipe = { steps: [{ lowRank: { method: 'whitened', ratio: 0.5 } }] };
    const spec = { model: 'teacher', name: 'half', recipe, data: { paths: [trainingText] } };
    const { result } = await this.#follow(this.#client.serverStream(this.#client.protocol.compression.Compress, { spec }));
    this.#say(`${bytesText(result.compress?.model?.storedBytes ?? 0)}, ${result.compress?.changes.length ?? 0} matrices changed`);
  }

  async #distill(): Promise<void> {
    this.#announce('distill it back from the teacher');
    const settings = { ...distillation, steps: this.#steps };
    const spec = { student: 'half', teacher: 'teacher', name: 'half-distilled', data: { paths: [trainingText] }, settings };
    const { result } = await this.#follow(this.#client.serverStream(this.#client.protocol.distillation.Distill, { spec }));
    this.#say(`${result.distill?.steps ?? 0} steps, loss ${result.distill?.finalLoss.toFixed(3) ?? ''}`);
  }

  async #evaluateAll(models: readonly string[]): Promise<[string, ReportMessage][]> {
    const reports: [string, ReportMessage][] = [];
    for (const model of models) {
      this.#announce(`evaluate ${model} on text that nobody trained on`);
      const spec = { model, teacher: model === 'teacher' ? '' : 'teacher', data: { paths: [evaluationText] } };
      const { result } = await this.#follow(this.#client.serverStream(this.#client.protocol.evaluation.Evaluate, { spec }));
      if (result.evaluate?.report) reports.push([model, result.evaluate.report]);
    }
    return reports;
  }

  async #generate(model: string): Promise<Generated> {
    this.#announce(`generate with ${model}`);
    let text = '';
    const request = { model, text: prompt, maxNewTokens: 40 };
    for await (const response of this.#client.serverStream(this.#client.protocol.inference.Generate, request)) text += response.text;
    return { model, text };
  }

  #follow(events: Parameters<typeof followJob>[0]): Promise<EndedJob> {
    return followJob(events, this.#output);
  }

  #announce(what: string): void {
    this.#stepNumber++;
    this.#say(`\n${this.#stepNumber}. ${what}`);
  }

  #say(text: string): void {
    if (!this.#output.json) this.#output.note(text);
  }
}
