// Settings of module replacing, as recipes write them.
import { z } from 'zod';
import { methodTraining } from '#teaching';
import { stoppingFields } from '../stopping-fields.ts';

const size = z.int().min(1);

const fields = z.strictObject({
  /** M: modules that the layers are divided into; as many as `layers` when absent. */
  modules: size.optional(),
  /** M·k: layers of the result; as many as `modules` when absent. */
  layers: size.optional(),
  /** Which layers of the predecessor the result starts from. */
  start: z.enum(['first', 'last', 'interleaved']).default('first'),
  /**
   * How the chance that a module is replaced goes on until `replacementSteps`, after which it is 1. `linear` grows from `b`; `constant` is `p`;
   * `antiCurriculum` falls from 1 to `b`.
   */
  schedule: z.enum(['linear', 'constant', 'antiCurriculum']).default('linear'),
  /** The chance of `constant`. */
  p: z.number().gt(0).lte(1).optional(),
  /** Change of the chance in a step; in place of `replacementSteps`. */
  k: z.number().gt(0).optional(),
  /** The chance at the first step of `linear`, and at the last one of `antiCurriculum`. Default 0.3. */
  b: z.number().gte(0).lt(1).optional(),
  /** Steps before all modules are replaced for good; half of all steps when absent. */
  replacementSteps: size.optional(),
  ...stoppingFields,
  /** Of the successor alone, once all modules are replaced. 0 goes on to the end. */
  patience: stoppingFields.patience.default(3),
  /** On the data alone unless it names a teacher. `steps` counts the replacing and what follows it. */
  training: methodTraining({
    alone: true,
    without: ['hidden', 'attention', 'relation'],
    balances: false,
    why: 'other layers run in every step. Use "labels" and "logits" with plain weights, and compare layers in a distill step behind it',
  }).default({}),
  /** Of the draws; the recipe's when absent. */
  seed: z.int().min(0).optional(),
});

export type TheseusSettings = z.infer<typeof fields>;

export const theseusSettings = fields.check((context) => {
  const { modules, layers, schedule, p, k, b, replacementSteps } = context.value;
  const fail = (message: string, field: string): void => {
    context.issues.push({ code: 'custom', message, path: [field], input: context.value });
  };
  if (modules === undefined && layers === undefined) fail('is needed, or layers: how deep the result is', 'modules');
  if (modules !== undefined && layers !== undefined && layers % modules !== 0)
    fail(`${layers} layers cannot be ${modules} modules of one depth; choose a multiple of ${modules}`, 'layers');
  if (p !== undefined && schedule !== 'constant') fail(`is the chance of schedule "constant"; "${schedule}" takes k and b`, 'p');
  if (schedule === 'constant' && b !== undefined) fail('goes with a chance that changes; schedule "constant" takes p', 'b');
  if (schedule === 'constant' && k !== undefined) fail('goes with a chance that changes; schedule "constant" takes replacementSteps', 'k');
  if (k !== undefined && replacementSteps !== undefined)
    fail('says how long modules are replaced, and so does replacementSteps; give one', 'k');
});
