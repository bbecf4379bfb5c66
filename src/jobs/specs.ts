// What the jobs are asked to do, as plain JSON with the field names of the wire.

import { z } from 'zod';
import { lossFields, teacherSchema, trainingFields } from '#teaching';

const count = z.int().nonnegative();
const positive = z.int().positive();
const modelName = z.string().min(1, 'must name a model');

const labelledRowsSchema = z.strictObject({
  /** Empty names mean `text` and `label`, and no second text. */
  text: z.string().default(''),
  secondText: z.string().default(''),
  label: z.string().default(''),
  columns: z.array(z.string().min(1)).default([]),
});

const pairRowsSchema = z.strictObject({
  /** Empty names mean `source` and `target`. */
  source: z.string().default(''),
  target: z.string().default(''),
  sourceColumn: count.default(0),
  targetColumn: count.default(1),
});

const textDataSchema = z
  .strictObject({
    paths: z.array(z.string().min(1)).default([]),
    jsonlField: z.string().default(''),
    inlineText: z.string().default(''),
    labelled: labelledRowsSchema.optional(),
    pairs: pairRowsSchema.optional(),
  })
  .refine(({ paths, inlineText }) => paths.length > 0 || inlineText !== '', 'must name a file in "paths" or hold "inlineText"')
  .refine(({ labelled, pairs }) => labelled === undefined || pairs === undefined, 'holds labelled texts or pairs, not both')
  .refine(({ labelled, pairs, jsonlField }) => jsonlField === '' || (labelled ?? pairs) === undefined, {
    message: 'names the field of running text; name those of rows in "labelled" or "pairs"',
    path: ['jsonlField'],
  });

/** Data of a job: files on the server, then a small text that came with the request. */
export type TextData = z.infer<typeof textDataSchema>;

export const importSpecSchema = z.strictObject({
  name: modelName,
  path: z.string().min(1, 'must name a folder on the server'),
  replace: z.boolean().default(false),
});
export type ImportSpec = z.infer<typeof importSpecSchema>;

export const compressSpecSchema = z.strictObject({
  model: modelName,
  name: modelName,
  /** Checked by the methods' own schemas. */
  recipe: z.unknown(),
  data: textDataSchema.optional(),
  /** What gates, searches, stages and trainings are measured on; a share of `data` that no step learns from when absent. */
  validation: textDataSchema.optional(),
  /** Measures the model before the first and after every step; by default where there is `validation`. */
  evaluateStages: z.boolean().optional(),
  calibration: z
    .strictObject({
      sequences: positive.default(64),
      sequenceLength: positive.optional(),
      seed: count.default(0),
      specialTokens: z.boolean().default(true),
    })
    .default({ sequences: 64, seed: 0, specialTokens: true }),
  replace: z.boolean().default(false),
});
export type CompressSpec = z.infer<typeof compressSpecSchema>;

export const distillSpecSchema = z.strictObject({
  student: modelName,
  teacher: z.string().default(''),
  /** Several in place of one; `teacher` is then the first of them. */
  teachers: z.array(teacherSchema).default([]),
  name: z.string().default(''),
  data: textDataSchema,
  validation: textDataSchema.optional(),
  settings: z
    .strictObject({
      ...trainingFields,
      ...lossFields,
      evaluateEvery: count.optional(),
    })
    .default({}),
  fromScratch: z.boolean().default(false),
  replace: z.boolean().default(false),
  /** Of the classifier that the student is to be; empty keeps its task. */
  labels: z.array(z.string().min(1)).default([]),
  /** Folder of a recorded teacher, in place of `teacher`. */
  recording: z.string().default(''),
  /** Answers that a teacher on another server sends of each row; all when absent. */
  teacherTopK: positive.optional(),
  onPolicy: z
    .strictObject({
      share: z.number().min(0).max(1).optional(),
      maxNewTokens: positive.optional(),
      temperature: z.number().nonnegative().optional(),
      promptTokens: positive.optional(),
      beta: z.number().min(0).max(1).optional(),
      policyGradient: z.strictObject({ teacherShare: z.number().min(0).lt(1).default(0.2) }).optional(),
    })
    .optional(),
  sequenceLevel: z
    .strictObject({
      beams: positive.optional(),
      maxNewTokens: positive.optional(),
      /** Of running text. */
      promptTokens: positive.optional(),
      temperature: z.number().positive().optional(),
      prompts: positive.optional(),
    })
    .optional(),
});
export type DistillSpec = z.infer<typeof distillSpecSchema>;

export const recordSpecSchema = z.strictObject({
  teacher: z.string().min(1, 'must name a model'),
  data: textDataSchema,
  path: z.string().min(1, 'must name a folder on the server'),
  settings: z
    .strictObject({
      topK: positive.default(32),
      temperature: z.number().positive().default(1),
      sequenceLength: positive.optional(),
      sourceLength: positive.optional(),
      batchSize: positive.default(8),
    })
    .default({ topK: 32, temperature: 1, batchSize: 8 }),
});
export type RecordSpec = z.infer<typeof recordSpecSchema>;

export const evaluateSpecSchema = z.strictObject({
  model: modelName,
  teacher: z.string().default(''),
  data: textDataSchema,
  settings: z
    .strictObject({
      window: positive.optional(),
      stride: positive.optional(),
      batchSize: positive.optional(),
      latency: z.boolean().default(true),
      latencyBatchSizes: z.array(positive).default([1, 8]),
      maxRows: positive.optional(),
      beams: positive.optional(),
      maxNewTokens: positive.optional(),
      hiddenShare: z.number().min(0).lt(1).optional(),
      hiddenSeed: count.optional(),
    })
    .default({ latency: true, latencyBatchSizes: [1, 8] }),
});
export type EvaluateSpec = z.infer<typeof evaluateSpecSchema>;

export const exportFormats = ['hf', 'onnx'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export const exportSpecSchema = z.strictObject({
  model: modelName,
  format: z.enum(exportFormats),
  path: z.string().default(''),
});
export type ExportSpec = z.infer<typeof exportSpecSchema>;
