// Commands that start jobs: import, compress, distill, evaluate.
import { readdir } from 'node:fs/promises';
import type { Command } from 'commander';
import { AppError } from '#base';
import { recipeNames } from '#jobs';
import { type AthanorClient, type DistillSpecMessage, fileChunks, type UploadMessage } from '#server';
import { followJob } from '../follow-job.ts';
import {
  type CommonOptions,
  type DataOptions,
  decimalNumber,
  runCommand,
  serverPath,
  textData,
  wholeNumber,
  withCommonOptions,
  withDataOptions,
} from '../options.ts';
import type { Output } from '../output.ts';
import { methodNames, recipeForm } from '../recipes.ts';
import { modelsText, resultText } from '../reports.ts';

interface ImportOptions extends CommonOptions {
  readonly name: string;
  readonly replace?: boolean;
  readonly upload?: boolean;
}

interface CompressOptions extends CommonOptions, DataOptions {
  readonly name: string;
  readonly recipe?: string;
  readonly method?: string;
  readonly ratio?: number;
  readonly set?: readonly string[];
  readonly validation?: readonly string[];
  readonly evaluateStages?: boolean;
  readonly replace?: boolean;
}

interface DistillOptions extends CommonOptions, DataOptions {
  readonly teacher?: string;
  readonly name?: string;
  readonly validation?: readonly string[];
  readonly fromScratch?: boolean;
  readonly replace?: boolean;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly sequenceLength?: number;
  readonly gradientAccumulation?: number;
  readonly recompute?: boolean;
  readonly memory?: string;
  readonly learningRate?: number;
  readonly warmupSteps?: number;
  readonly schedule?: string;
  readonly weightDecay?: number;
  readonly clipNorm?: number;
  readonly precision?: string;
  readonly temperature?: number;
  readonly alpha?: number;
  readonly seed?: number;
  readonly checkpointEvery?: number;
  readonly evaluateEvery?: number;
  readonly sourceLength?: number;
  readonly products?: string;
  readonly teacherProducts?: string;
  readonly labels?: readonly string[];
  readonly recording?: string;
  readonly teacherTopK?: number;
  readonly onPolicy?: number;
  readonly promptTokens?: number;
  readonly maxNewTokens?: number;
  readonly sampleTemperature?: number;
  readonly beta?: number;
  readonly policyGradient?: number;
  readonly sequenceLevel?: number;
  readonly prompts?: number;
}

interface RecordOptions extends CommonOptions, DataOptions {
  readonly path: string;
  readonly topK?: number;
  readonly temperature?: number;
  readonly sequenceLength?: number;
  readonly sourceLength?: number;
  readonly batchSize?: number;
}

interface EvaluateOptions extends CommonOptions, DataOptions {
  readonly teacher?: string;
  readonly window?: number;
  readonly stride?: number;
  readonly batchSize?: number;
  readonly beams?: number;
  readonly maxRows?: number;
  readonly maxNewTokens?: number;
  readonly hiddenShare?: number;
  readonly hiddenSeed?: number;
  readonly latency: boolean;
}

export function addWorkCommands(program: Command): void {
  withCommonOptions(program.command('import <path>'))
    .description('bring in a Hugging Face folder (config.json, tokenizer.json, *.safetensors)')
    .requiredOption('--name <name>', 'name to store it under')
    .option('--replace', 'store a new version when the name exists')
    .option('--upload', 'send the files, for a server on another machine')
    .action((path: string, options: ImportOptions) => runCommand(options, (client, output) => importModel(client, output, path, options)));

  withDataOptions(withCommonOptions(program.command('compress <model>')), 'text to calibrate and train on: .txt or .jsonl, either .gz')
    .description('make a model smaller by a recipe, or by one method')
    .requiredOption('--name <name>', 'name to store the result under')
    .option('--recipe <file|name>', `recipe in YAML or JSON, or one of ${recipeNames().join(', ')}`)
    .option('--method <method>', `one of ${methodNames.join(', ')}`)
    .option('--ratio <share>', 'share of the bytes to keep, for example 0.5', decimalNumber)
    .option('--set <name=value...>', 'further settings of the method, for example bits=4 method=gptq')
    .option(
      '--validation <file...>',
      'text that gates, searches and stages are measured on, and that ends trainings early (default: a tenth of --data, where needed)',
    )
    .option('--evaluate-stages', 'measure the model before the first and after every step (default: with --validation)')
    .option('--replace', 'store a new version when the name exists')
    .action((model: string, options: CompressOptions) => runCommand(options, (client, output) => compress(client, output, model, options)));

  distillCommand(program).action((student: string, options: DistillOptions) =>
    runCommand(options, (client, output) => distill(client, output, student, options)),
  );

  withDataOptions(withCommonOptions(program.command('record <teacher>')), 'text that trainings will read: .txt or .jsonl, either .gz')
    .description('write down what a teacher says of a text, for trainings with `distill --recording`')
    .requiredOption('--path <folder>', 'folder to make on the server')
    .option('--top-k <count>', 'likeliest answers of each row (default: 32)', wholeNumber)
    .option('--temperature <value>', 'temperature of the distributions (default: 1)', decimalNumber)
    .option('--sequence-length <tokens>', 'tokens of a sequence', wholeNumber)
    .option('--source-length <tokens>', 'longest source of a pair', wholeNumber)
    .option('--batch-size <count>', 'sequences of one run', wholeNumber)
    .action((teacher: string, options: RecordOptions) => runCommand(options, (client, output) => record(client, output, teacher, options)));

  withDataOptions(withCommonOptions(program.command('evaluate <model>')), 'text to measure on: .txt or .jsonl, either .gz')
    .description('measure a model, against a teacher where one is named')
    .option('--teacher <model>', 'model to compare with')
    .option('--window <tokens>', 'tokens of a window', wholeNumber)
    .option('--stride <tokens>', 'tokens between the starts of two windows', wholeNumber)
    .option('--batch-size <count>', 'windows run together', wholeNumber)
    .option('--no-latency', 'leave out prefill and decode latency')
    .option('--max-rows <count>', 'labelled texts, pairs or lines that are read', wholeNumber)
    .option('--beams <count>', 'beams of the search for the targets of pairs', wholeNumber)
    .option('--max-new-tokens <count>', 'tokens of a generated target at most', wholeNumber)
    .option(
      '--hidden-share <share>',
      'of the tokens of a line that a model of hidden tokens guesses; 0 hides each by itself',
      decimalNumber,
    )
    .option('--hidden-seed <seed>', 'of the choice of hidden tokens', wholeNumber)
    .action((model: string, options: EvaluateOptions) => runCommand(options, (client, output) => evaluate(client, output, model, options)));
}

function distillCommand(program: Command): Command {
  return withDataOptions(withCommonOptions(program.command('distill <student>')), 'training text: .txt or .jsonl, either .gz')
    .description('train a student against a teacher; without --teacher, on the text alone')
    .option('--teacher <model>', 'teacher: a model of the server, or athanor://host:port/model')
    .option('--recording <folder>', 'a recorded teacher on the server (see `record`)')
    .option('--teacher-top-k <count>', 'answers that a teacher on another server sends of each row (default: all)', wholeNumber)
    .option('--on-policy <share>', "share of the steps that learn on the student's own samples", decimalNumber)
    .option('--prompt-tokens <count>', 'with --on-policy and --sequence-level: tokens of the data that a text begins with', wholeNumber)
    .option(
      '--max-new-tokens <count>',
      'with --on-policy: tokens of a sample; with --sequence-level: of what the teacher writes',
      wholeNumber,
    )
    .option('--sample-temperature <value>', 'with --on-policy and --sequence-level: temperature of the draws', decimalNumber)
    .option('--beta <share>', 'with --on-policy: 0 forward KL, 1 reverse KL, between them the generalized JSD', decimalNumber)
    .option(
      '--policy-gradient <share>',
      'with --on-policy: learn whole samples (MiniLLM), drawn with this share of the teacher',
      decimalNumber,
    )
    .option(
      '--sequence-level <beams>',
      'train on what the teacher writes for sources or behind beginnings, searched with so many beams',
      wholeNumber,
    )
    .option('--prompts <count>', 'with --sequence-level: beginnings of running text that the teacher goes on with', wholeNumber)
    .option('--name <name>', 'name to store the result under (default: a new version of the student)')
    .option('--validation <file...>', 'text that is measured while training')
    .option('--from-scratch', 'start from random weights of the same shape')
    .option('--labels <label...>', 'labels of the classifier that the student becomes (default: those it has, else those of the data)')
    .option('--source-length <tokens>', 'longest source of a pair', wholeNumber)
    .option('--replace', 'store a new version when the name exists')
    .option('--steps <count>', 'optimizer steps', wholeNumber)
    .option('--batch-size <count>', 'sequences of one forward pass', wholeNumber)
    .option('--sequence-length <tokens>', 'tokens of a sequence', wholeNumber)
    .option('--gradient-accumulation <count>', 'forward passes for one step', wholeNumber)
    .option('--recompute', 'compute activations again instead of keeping them: less memory, more time')
    .option('--memory <how>', 'given, or auto: micro-batches and --recompute as far as the memory asks for them')
    .option('--learning-rate <rate>', 'peak learning rate', decimalNumber)
    .option('--warmup-steps <count>', 'steps of linear warm-up', wholeNumber)
    .option('--schedule <kind>', 'cosine, linear or constant')
    .option('--weight-decay <share>', 'decoupled weight decay', decimalNumber)
    .option('--clip-norm <norm>', 'largest gradient norm; 0 clips nothing', decimalNumber)
    .option('--precision <kind>', 'what products are computed in: auto, float32, float16 or bfloat16')
    .option('--temperature <value>', 'temperature of the teacher term', decimalNumber)
    .option('--alpha <share>', 'weight of the teacher term, 0 to 1', decimalNumber)
    .option('--seed <number>', 'seed of the data order', wholeNumber)
    .option('--checkpoint-every <steps>', 'steps between checkpoints', wholeNumber)
    .option('--evaluate-every <steps>', 'steps between measurements on --validation', wholeNumber)
    .option('--products <kind>', 'float32, int8, int8PerTensor or int8All: how activations and gradients are multiplied by weights')
    .option('--teacher-products <kind>', 'int8: a teacher on the server multiplies in integers');
}

async function importModel(
  client: AthanorClient,
  output: Output,
  path: string,
  { name, replace = false, upload }: ImportOptions,
): Promise<void> {
  if (upload === true) {
    const { model } = await client.clientStream(client.protocol.model.ImportUpload, uploadOf(path, name, replace));
    output.result(model, () => (model === null ? '' : modelsText([model])));
    return;
  }
  const { job } = await client.unary(client.protocol.job.Submit, { spec: { importModel: { name, path: serverPath(path), replace } } });
  const { jobId, result } = await followJob(client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '' }), output);
  output.result({ jobId, ...result.importModel }, () => resultText(result));
}

async function* uploadOf(folder: string, name: string, replace: boolean): AsyncGenerator<UploadMessage> {
  let files: string[];
  try {
    files = (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map(({ name: file }) => file);
  } catch (error) {
    throw AppError.from(error);
  }
  yield { header: { name, replace } };
  for await (const chunk of fileChunks(
    folder,
    files.map((fileName) => ({ fileName })),
  ))
    yield { chunk };
}

async function compress(client: AthanorClient, output: Output, model: string, options: CompressOptions): Promise<void> {
  const data = textData(options);
  const { name, replace = false, recipe, method, ratio } = options;
  const form = await recipeForm({
    hasData: data !== undefined,
    ...(recipe === undefined ? {} : { recipe }),
    ...(method === undefined ? {} : { method }),
    ...(ratio === undefined ? {} : { ratio }),
    ...(options.set === undefined ? {} : { set: options.set }),
  });
  const validation = textData({ ...options, data: options.validation ?? [] });
  const spec = {
    model,
    name,
    replace,
    ...form,
    ...(data === undefined ? {} : { data }),
    ...(validation === undefined ? {} : { validation }),
    ...given(options, ['evaluateStages']),
  };
  const { jobId, result } = await followJob(client.serverStream(client.protocol.compression.Compress, { spec }), output);
  output.result({ jobId, ...result.compress }, () => resultText(result));
}

async function distill(client: AthanorClient, output: Output, student: string, options: DistillOptions): Promise<void> {
  const { teacher = '', name = '', fromScratch = false, replace = false } = options;
  const spec: DistillSpecMessage = {
    student,
    teacher,
    name,
    fromScratch,
    replace,
    labels: [...(options.labels ?? [])],
    data: requiredData(options),
    settings: given(options, [
      'steps',
      'batchSize',
      'sequenceLength',
      'gradientAccumulation',
      'recompute',
      'memory',
      'learningRate',
      'warmupSteps',
      'schedule',
      'weightDecay',
      'clipNorm',
      'precision',
      'temperature',
      'alpha',
      'seed',
      'checkpointEvery',
      'evaluateEvery',
      'sourceLength',
      'products',
      'teacherProducts',
    ]),
  };
  Object.assign(spec, teachingOf(options));
  const validation = textData({ ...options, data: options.validation ?? [] });
  if (validation !== undefined) spec.validation = validation;
  const { jobId, result } = await followJob(client.serverStream(client.protocol.distillation.Distill, { spec }), output);
  output.result({ jobId, ...result.distill }, () => resultText(result));
}

/** How the teacher teaches, where that is not from the server's memory, batch by batch. */
function teachingOf(options: DistillOptions): Partial<DistillSpecMessage> {
  const { onPolicy, sequenceLevel, sampleTemperature: temperature, recording } = options;
  const drawing = { ...given(options, ['promptTokens', 'maxNewTokens']), ...(temperature === undefined ? {} : { temperature }) };
  const policy = options.policyGradient === undefined ? {} : { policyGradient: { teacherShare: options.policyGradient } };
  return {
    ...given(options, ['teacherTopK']),
    ...(recording === undefined ? {} : { recording: serverPath(recording) }),
    ...(onPolicy === undefined ? {} : { onPolicy: { share: onPolicy, ...drawing, ...given(options, ['beta']), ...policy } }),
    ...(sequenceLevel === undefined ? {} : { sequenceLevel: { beams: sequenceLevel, ...drawing, ...given(options, ['prompts']) } }),
  };
}

async function record(client: AthanorClient, output: Output, teacher: string, options: RecordOptions): Promise<void> {
  const settings = given(options, ['topK', 'temperature', 'sequenceLength', 'sourceLength', 'batchSize']);
  const spec = { record: { teacher, path: serverPath(options.path), data: requiredData(options), settings } };
  const { job } = await client.unary(client.protocol.job.Submit, { spec });
  const { jobId, result } = await followJob(client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '' }), output);
  output.result({ jobId, ...result.record }, () => resultText(result));
}

async function evaluate(client: AthanorClient, output: Output, model: string, options: EvaluateOptions): Promise<void> {
  const settings = given(options, [
    'window',
    'stride',
    'batchSize',
    'latency',
    'beams',
    'maxRows',
    'maxNewTokens',
    'hiddenShare',
    'hiddenSeed',
  ]);
  const spec = { model, teacher: options.teacher ?? '', data: requiredData(options), settings };
  const { jobId, result } = await followJob(client.serverStream(client.protocol.evaluation.Evaluate, { spec }), output);
  output.result({ jobId, ...result.evaluate?.report }, () => resultText(result));
}

function requiredData(options: DataOptions): NonNullable<ReturnType<typeof textData>> {
  const data = textData(options);
  if (data === undefined) throw new AppError('invalid_argument', '--data: is missing. Name a .txt or .jsonl file.');
  return data;
}

/** The options among `names` that were given. */
function given<Options extends object, Name extends keyof Options>(
  options: Options,
  names: readonly Name[],
): { [Key in Name]?: NonNullable<Options[Key]> } {
  const found: { [Key in Name]?: NonNullable<Options[Key]> } = {};
  for (const name of names) {
    const value = options[name];
    if (value !== undefined && value !== null) found[name] = value;
  }
  return found;
}
