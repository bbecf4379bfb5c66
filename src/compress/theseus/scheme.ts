// The training of a joined model: at every step each module is the predecessor's or the successor's, by a draw.
import type { TrainingScheme } from '#train';
import { type JoinedModel, runModules } from './modules.ts';
import { drawModules, type ReplacementSchedule } from './schedule.ts';

/**
 * One draw a batch for all modules, from the seed and the step alone: a run that goes on draws the same. Every draw is a graph of its own, in which only
 * the drawn layers are computed.
 */
export function theseusScheme(
  { stacks, modules }: Pick<JoinedModel, 'stacks' | 'modules'>,
  schedule: ReplacementSchedule,
  seed: number,
): TrainingScheme {
  const all = '1'.repeat(modules);
  return {
    name: 'theseus',
    widestVariants: [all],
    network: ({ variant }) => ({ runBlocks: runModules(stacks, variant) }),
    step: (step) => ({
      inputs: {},
      variant: drawModules(modules, schedule.chance(step), seed, step),
      isLast: step > schedule.replacementSteps,
    }),
  };
}
