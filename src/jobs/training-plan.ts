// Whether a training fits, before it begins: its plan by part, what would fit in place of it, and with memory "auto" the cheapest of that.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { at, type Progress } from '#base';
import type { TrainingMemory, TrainSettings } from '#train';
import { totalBytes } from '#train';
import { type Fit, insufficientMemory } from './insufficient-memory.ts';
import { slackBytes } from './memory-plan.ts';

/** The settings that trade time for memory; the same weights come out, up to the order of sums in micro-batches. */
export type Arrangement = Pick<TrainSettings, 'batchSize' | 'gradientAccumulation' | 'recompute'>;

export interface TrainingPlanRequest<Settings extends TrainSettings> {
  /** For messages: the kind of job, or the step of a recipe. */
  readonly place: string;
  readonly settings: Settings;
  /** What the training would take on the device. */
  readonly planFor: (settings: Settings) => Promise<TrainingMemory>;
  /** What else is held while it trains, beside what the process holds already. */
  readonly besideBytes?: number;
  readonly limitBytes: number;
  /** Of the process. */
  readonly residentBytes: number;
  /** The file in which a choice is kept, so that a job that goes on makes it again whatever is free then. */
  readonly choicePath?: string | undefined;
  /** Changes elsewhere that would leave memory, and how much. */
  readonly savings?: readonly { readonly what: string; readonly bytes: number }[];
  readonly report: (progress: Progress) => void;
}

export interface PlannedTraining<Settings extends TrainSettings> {
  readonly settings: Settings;
  /** Of the whole process at its largest. */
  readonly estimatedPeakBytes: number;
}

/**
 * The settings to train with: those that were given, or with memory "auto", where those do not fit, the cheapest that do.
 *
 * @throws AppError `insufficient_memory` with the plan by part and what would fit
 */
export async function settleTraining<Settings extends TrainSettings>(
  request: TrainingPlanRequest<Settings>,
): Promise<PlannedTraining<Settings>> {
  const { place, limitBytes, residentBytes, choicePath, report, settings: given } = request;
  const isAuto = given.memory === 'auto';
  const saved = isAuto && choicePath !== undefined ? await savedChoice(choicePath) : undefined;
  const settings = saved === undefined ? given : { ...given, ...saved };
  const plan = await request.planFor(settings);
  const needed = (of: TrainingMemory): number =>
    Math.ceil(residentBytes + slackBytes + (request.besideBytes ?? 0) + hostBytes(of) + totalBytes(of));
  const settled = async (chosen: Settings, of: TrainingMemory): Promise<PlannedTraining<Settings>> => {
    const estimatedPeakBytes = needed(of);
    const { batchSize, gradientAccumulation, recompute = false } = chosen;
    const arrangement = { batchSize, gradientAccumulation, recompute: Number(recompute) };
    report({ phase: 'plan', item: place, metrics: { estimatedPeakBytes, limitBytes, ...of, ...(isAuto ? arrangement : {}) } });
    if (isAuto && choicePath !== undefined) await saveChoice(choicePath, { batchSize, gradientAccumulation, recompute });
    return { settings: chosen, estimatedPeakBytes };
  };
  // A job that goes on trains as it began.
  if (needed(plan) <= limitBytes || saved !== undefined) return settled(settings, plan);
  const found = await fittingArrangements(settings, request.planFor, (of) => needed(of) <= limitBytes);
  const [cheapest] = found;
  if (isAuto && cheapest !== undefined) return settled({ ...settings, ...cheapest.arrangement }, cheapest.plan);
  const fits: Fit[] = found.map((each) => ({ what: printArrangement(each.arrangement, settings), bytes: needed(each.plan) }));
  for (const { what, bytes } of request.savings ?? []) {
    const left = needed(plan) - bytes;
    if (left <= limitBytes) fits.push({ what, bytes: left });
  }
  if (!isAuto && fits.length > 0) fits.push({ what: 'memory "auto", which chooses among the settings' });
  const { parameterBytes, gradientBytes, optimizerBytes, batchBytes, activationBytes } = plan;
  throw insufficientMemory({
    place,
    neededBytes: needed(plan),
    residentBytes,
    limitBytes,
    parts: {
      parameters: parameterBytes,
      gradients: gradientBytes,
      'optimizer state': optimizerBytes,
      batches: batchBytes,
      activations: activationBytes,
      checkpoints: hostBytes(plan),
    },
    fits,
    details: { parameterBytes, gradientBytes, optimizerBytes, activationBytes },
  });
}

/** A checkpoint copies what trains and its moments to the host. */
function hostBytes({ gradientBytes, optimizerBytes }: TrainingMemory): number {
  return gradientBytes + optimizerBytes;
}

/**
 * What trades time for memory, cheapest first.
 *
 * Micro-batches cost another pass over the gradients each and products with fewer rows; computing activations again costs a forward pass without the head.
 * The first is cheaper as long as a micro-batch has rows enough to fill a product. The costs are those of a step of a 14M GPT-2 on two cores
 * (`test/bench/memory-arrangements.ts`).
 */
export function arrangements({
  batchSize,
  gradientAccumulation,
  sequenceLength,
  recompute = false,
}: TrainSettings): readonly Arrangement[] {
  const splits = Array.from({ length: batchSize }, (_, index) => index + 1).filter((parts) => batchSize % parts === 0);
  const options = splits.flatMap((parts) =>
    (recompute ? [true] : [false, true]).map((again) => ({
      batchSize: batchSize / parts,
      gradientAccumulation: gradientAccumulation * parts,
      recompute: again,
    })),
  );
  const cost = (option: Arrangement): number => relativeCost(option, { sequenceLength, parts: batchSize / option.batchSize });
  return options.filter((option) => option.batchSize !== batchSize || option.recompute !== recompute).sort((a, b) => cost(a) - cost(b));
}

interface FittingArrangement {
  readonly arrangement: Arrangement;
  readonly plan: TrainingMemory;
}

/**
 * Of those that keep activations and of those that compute them again the cheapest that fits, which is the one with the largest micro-batch; cheapest first.
 *
 * A plan compiles graphs, which takes a second or so: since smaller micro-batches take less memory, halving finds it in a few plans.
 */
async function fittingArrangements<Settings extends TrainSettings>(
  settings: Settings,
  planFor: (settings: Settings) => Promise<TrainingMemory>,
  fits: (plan: TrainingMemory) => boolean,
): Promise<readonly FittingArrangement[]> {
  const all = arrangements(settings);
  const found: FittingArrangement[] = [];
  for (const again of [false, true]) {
    const options = all.filter(({ recompute = false }) => recompute === again);
    let best: FittingArrangement | undefined;
    let [first, end] = [0, options.length];
    while (first < end) {
      const middle = Math.floor((first + end) / 2);
      const arrangement = at(options, middle);
      const plan = await planFor({ ...settings, ...arrangement });
      if (fits(plan)) [best, end] = [{ arrangement, plan }, middle];
      else first = middle + 1;
    }
    if (best !== undefined) found.push(best);
  }
  return found.sort((one, other) => all.indexOf(one.arrangement) - all.indexOf(other.arrangement));
}

/** Of a step that computes activations again, against one that keeps them. */
const recomputeCost = 0.15;
/** Of a micro-batch more, against a step of a single one. */
const microBatchCost = 0.008;
/** Rows with which products reach half of their speed. */
const halfSpeedRows = 24;

/** Time of a step against that of one batch of as many rows as one likes whose activations are kept. */
function relativeCost(
  { batchSize, recompute = false }: Arrangement,
  { sequenceLength, parts }: { sequenceLength: number; parts: number },
): number {
  const rows = batchSize * sequenceLength;
  return (1 + (recompute ? recomputeCost : 0)) * (1 + halfSpeedRows / rows) + microBatchCost * (parts - 1);
}

function printArrangement({ batchSize, gradientAccumulation, recompute = false }: Arrangement, given: TrainSettings): string {
  const split = batchSize === given.batchSize ? '' : `batchSize ${batchSize} with gradientAccumulation ${gradientAccumulation}`;
  if (!recompute || given.recompute === true) return split;
  return split === '' ? 'recompute' : `recompute and ${split}`;
}

async function savedChoice(path: string): Promise<Arrangement | undefined> {
  const saved = await readFile(path, 'utf8').catch(() => undefined);
  return saved === undefined ? undefined : (JSON.parse(saved) as Arrangement);
}

async function saveChoice(path: string, choice: Arrangement): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, JSON.stringify(choice));
  await rename(`${path}.new`, path);
}
