// Models, jobs and evaluations as text for people.
import type { JobInfoMessage, JobResultMessage, ModelMessage, ReportMessage } from '#server';
import { bytesText, countText, table, timeText } from './output.ts';
import { searchText, stagesText, stopText } from './stage-reports.ts';

export function modelsText(models: readonly ModelMessage[]): string {
  if (models.length === 0) return 'no models; import one with: athanor import PATH --name NAME';
  return table([
    ['model', 'version', 'architecture', 'parameters', 'stored', 'in memory', 'bits/byte', 'created'],
    ...models.map((model) => [
      model.name,
      String(model.version),
      model.architecture,
      countText(model.storedParameters),
      bytesText(model.storedBytes),
      model.loaded ? bytesText(model.residentBytes) : '-',
      model.evaluation && isOfText(model.evaluation) ? model.evaluation.bitsPerByte.toFixed(4) : '-',
      timeText(model.createdMs),
    ]),
  ]);
}

export function modelText(model: ModelMessage): string {
  const { lineage, evaluation } = model;
  const lines = [
    `${model.name} version ${model.version}: ${model.architecture}, ${countText(model.logicalParameters)} parameters, stored as ${countText(model.storedParameters)} in ${bytesText(model.storedBytes)}`,
    `hash       ${model.hash}`,
    `config     ${model.configJson}`,
    `made by    ${lineage?.operation ?? ''}${lineage?.jobId ? ` (job ${lineage.jobId})` : ''}`,
    ...(lineage?.parents ?? []).map(({ role, hash }) => `${role.padEnd(10)} ${hash}`),
    `settings   ${lineage?.settingsJson ?? ''}`,
    ...(model.loaded ? [`in memory  ${bytesText(model.residentBytes)}`] : []),
  ];
  const parameters = table([
    ['parameter', 'shape', 'stored as', 'bytes'],
    ...model.parameters.map(({ path, shape, parametrization, settings, storedBytes }) => [
      path,
      shape.join(' x '),
      [parametrization, ...Object.entries(settings).map(([key, value]) => `${key} ${value}`)].join(' '),
      countText(storedBytes),
    ]),
  ]);
  return [...lines, '', parameters, ...(evaluation ? ['', reportText(evaluation)] : [])].join('\n');
}

export function jobsText(jobs: readonly JobInfoMessage[]): string {
  if (jobs.length === 0) return 'no jobs';
  return table([
    ['job', 'kind', 'state', 'progress', 'reads', 'writes', 'submitted'],
    ...jobs.map((job) => [
      job.id,
      job.kind,
      stateText(job.state),
      job.progress && job.progress.total > 0 ? `${job.progress.phase} ${job.progress.step}/${job.progress.total}` : '-',
      job.source || '-',
      job.target || '-',
      timeText(job.createdMs),
    ]),
  ]);
}

export function stateText(state: string): string {
  return state.replace(/^JOB_STATE_/, '').toLowerCase();
}

/** Bits per byte are of running text alone. */
function isOfText({ classification, sequences, hiddenTokens }: ReportMessage): boolean {
  return !classification && !sequences && !hiddenTokens;
}

/** Evaluations side by side, a column each. */
export function reportsText(reports: readonly (readonly [string, ReportMessage])[]): string {
  const row = (label: string, cell: (report: ReportMessage) => string | undefined): string[] => [
    label,
    ...reports.map(([, report]) => cell(report) ?? '-'),
  ];
  const percent = (share: number | undefined): string | undefined => (share === undefined ? undefined : `${(100 * share).toFixed(2)} %`);
  const latencies = new Map(
    reports.flatMap(([, { latencies: all }]) => all.map((one) => [`${one.phase}, batch ${one.batchSize}`, one] as const)),
  );
  const rows = [
    row('bits per byte', (report) => (isOfText(report) ? report.bitsPerByte.toFixed(4) : undefined)),
    row('token perplexity', (report) => (report.classification || report.hiddenTokens ? undefined : report.tokenPerplexity.toFixed(2))),
    row('pseudo-perplexity', ({ hiddenTokens }) => hiddenTokens?.pseudoPerplexity.toFixed(2)),
    row('next-token accuracy', (report) => (report.classification || report.hiddenTokens ? undefined : percent(report.accuracy))),
    row('hidden-token accuracy', (report) => (report.hiddenTokens ? percent(report.accuracy) : undefined)),
    row('accuracy', (report) => (report.classification ? percent(report.accuracy) : undefined)),
    row('F1', ({ classification }) => classification?.f1.toFixed(4)),
    row("Matthews' correlation", ({ classification }) => classification?.matthews.toFixed(4)),
    row('loss, nats', (report) => (isOfText(report) ? undefined : report.loss.toFixed(4))),
    row('BLEU', ({ sequences }) => sequences?.bleu.toFixed(2)),
    row('ROUGE-1 / 2 / L', ({ sequences }) =>
      sequences ? [sequences.rouge1, sequences.rouge2, sequences.rougeL].map((score) => score.toFixed(3)).join(' / ') : undefined,
    ),
    row('targets that are right', ({ sequences }) => percent(sequences?.exactMatch)),
    row("teacher's accuracy", ({ teacherAccuracy }) => percent(teacherAccuracy)),
    row('teacher bits per byte', ({ teacherBitsPerByte }) => teacherBitsPerByte?.toFixed(4)),
    row('top-1 agreement with teacher', ({ top1Agreement }) => percent(top1Agreement)),
    row('KL(teacher || model), nats', ({ teacherKl }) => teacherKl?.toFixed(4)),
    row('stored parameters', ({ storedParameters }) => countText(storedParameters)),
    row('stored bytes', ({ storedBytes }) => countText(storedBytes)),
    row('stored bytes, share of teacher', ({ storedBytes, teacherStoredBytes }) =>
      percent(teacherStoredBytes === undefined ? undefined : storedBytes / teacherStoredBytes),
    ),
    row('resident bytes', ({ residentBytes }) => (residentBytes === 0 ? undefined : countText(residentBytes))),
    ...[...latencies.values()].map(({ phase, batchSize }) =>
      row(`${phase} ms, batch ${batchSize}`, (report) =>
        report.latencies.find((one) => one.phase === phase && one.batchSize === batchSize)?.medianMs.toFixed(2),
      ),
    ),
    row('scored tokens', (report) => (report.classification ? undefined : countText(report.scoredTokens))),
    row('lines', ({ hiddenTokens }) => (hiddenTokens ? countText(hiddenTokens.lines) : undefined)),
    row('texts', ({ classification }) => (classification ? countText(classification.examples) : undefined)),
  ].filter(([, ...cells]) => cells.some((cell) => cell !== '-'));
  const protocols = new Set(reports.map(([, { protocol, engine }]) => `protocol: ${protocol}; ${engine}`));
  return [table([['', ...reports.map(([name]) => name)], ...rows]), '', ...protocols].join('\n');
}

function reportText(report: ReportMessage): string {
  return reportsText([[report.model, report]]);
}

type CompressMessage = NonNullable<JobResultMessage['compress']>;

/** Step by step what became of each parameter, then what the whole was worth knowing for. */
function compressText(compress: CompressMessage, model: ModelMessage): string {
  const { changes, steps, stop, calibration, memory, verification } = compress;
  const heads = ['parameter', 'stored as', 'rank', 'bytes before', 'bytes after', 'lost before', 'weight error', 'output error', 'note'];
  const lines = steps.flatMap(({ method, note, dropped, search }, index) => {
    const rows = changes
      .filter(({ step }) => step === index)
      .map((change) => [
        change.path,
        change.parametrization,
        change.rank === undefined ? '-' : String(change.rank),
        countText(change.storedBytesBefore),
        countText(change.storedBytesAfter),
        change.errorBefore.toFixed(4),
        change.weightError.toFixed(4),
        change.outputError === undefined ? '-' : change.outputError.toFixed(4),
        change.note,
      ]);
    const title = `step ${index + 1}, ${method}${dropped ? ' (dropped)' : ''}${note === '' ? '' : `: ${note}`}`;
    return [title, ...(search ? searchText(search) : []), ...(rows.length === 0 ? [] : [table([heads, ...rows])]), ''];
  });
  return [
    ...lines,
    ...stagesText(compress),
    ...stopText(stop),
    ...(calibration
      ? [
          `calibrated on ${calibration.rows} of ${calibration.rowsAvailable} rows of ${calibration.rowTokens} tokens, hash ${calibration.rowsHash.slice(0, 16)}`,
        ]
      : []),
    ...(memory ? [`memory at the peak ${bytesText(memory.peakBytes)}, expected ${bytesText(memory.estimatedPeakBytes)}`] : []),
    ...verificationLines(verification),
    '',
    modelsText([model]),
  ].join('\n');
}

function verificationLines(
  verification: { readonly tokens: number; readonly maxRelativeDifference: number | string } | null | undefined,
): string[] {
  if (!verification) return [];
  const { tokens, maxRelativeDifference } = verification;
  return [`loaded back in a fresh process: ${tokens} tokens, logits differ by ${Number(maxRelativeDifference).toExponential(1)}`];
}

/** The result of any job. */
export function resultText({ importModel, compress, distill, evaluate, export: exported, record }: JobResultMessage): string {
  if (importModel?.model) return [modelsText([importModel.model]), ...verificationLines(importModel.verification)].join('\n');
  if (compress?.model) return compressText(compress, compress.model);
  if (distill?.model) {
    const measures = Object.entries(distill.validation).map(([name, value]) => `${name} ${Number(value).toFixed(4)}`);
    return [
      `${distill.steps} steps, loss ${distill.finalLoss.toFixed(4)}`,
      ...measures,
      ...verificationLines(distill.verification),
      '',
      modelsText([distill.model]),
    ].join('\n');
  }
  if (evaluate?.report) return reportText(evaluate.report);
  if (record)
    return `${record.rows} rows of ${record.examples} examples by ${record.teacher}, ${bytesText(record.sizeBytes)}  ${record.path}`;
  const files = (exported?.files ?? []).map(({ fileName, sizeBytes }) => `${fileName}  ${bytesText(sizeBytes)}`);
  return [...files, ...(exported?.notes ?? [])].join('\n');
}
