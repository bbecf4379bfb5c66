// Settings of plain training, as recipes write them.
import { z } from 'zod';
import { trainingFields } from '#teaching';
import { stoppingFields } from '../stopping-fields.ts';

const { temperature: _, alpha: __, ...dataFields } = trainingFields;
const patterns = z.array(z.string().min(1)).min(1).optional();

/** Fields of a training on the data alone. */
export const dataTrainingFields = {
  ...dataFields,
  ...stoppingFields,
  /** Which parameters train, vectors included; all when absent. */
  include: patterns,
  exclude: patterns,
};

export const trainSettingsSchema = z.strictObject({
  ...dataTrainingFields,
  /** Starts at random weights in the shape of the model, however it is stored. */
  fromScratch: z.boolean().default(false),
});

export type TrainStepSettings = z.infer<typeof trainSettingsSchema>;
export type DataTrainingSettings = Omit<TrainStepSettings, 'fromScratch'>;
