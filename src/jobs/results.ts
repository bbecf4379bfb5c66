// What jobs answer with, as plain JSON with the field names of the wire.

/** One tensor of an artefact. */
export interface StoredTensorRecord {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** One logical parameter and how it is stored. */
export interface ParameterRecord {
  readonly path: string;
  readonly parametrization: string;
  readonly shape: readonly number[];
  readonly settings: Readonly<Record<string, string>>;
  readonly storedBytes: number;
  readonly tensors: readonly StoredTensorRecord[];
}

/** What is known of a stored model; the same for every reader of one version. */
export interface ModelFacts {
  readonly architecture: string;
  readonly configJson: string;
  readonly logicalParameters: number;
  readonly storedParameters: number;
  readonly storedBytes: number;
  readonly tokenizerHash: string;
  readonly lineage: {
    readonly operation: string;
    readonly parents: readonly { readonly hash: string; readonly role: string }[];
    readonly settingsJson: string;
    readonly dataFingerprint: string;
  };
  /** In the architecture's order; empty in lists. */
  readonly parameters: readonly ParameterRecord[];
}

/** A model as callers see it. */
export interface ModelRecord extends ModelFacts {
  readonly name: string;
  readonly version: number;
  readonly hash: string;
  readonly createdMs: number;
  readonly residentBytes: number;
  readonly loaded: boolean;
  readonly evaluation?: EvaluationReport;
  readonly lineage: ModelFacts['lineage'] & { readonly jobId: string };
}

export interface LatencyRecord {
  readonly phase: 'prefill' | 'decode';
  readonly batchSize: number;
  readonly contextTokens: number;
  readonly medianMs: number;
  readonly tokensPerSecond: number;
}

/** One evaluation; fields as the wire documents them. */
export interface EvaluationReport {
  readonly model: string;
  readonly teacher: string;
  readonly protocol: string;
  readonly dataFingerprint: string;
  readonly scoredTokens: number;
  readonly scoredBytes: number;
  readonly loss: number;
  readonly bitsPerByte: number;
  readonly tokenPerplexity: number;
  readonly accuracy: number;
  readonly teacherBitsPerByte?: number;
  readonly teacherTokenPerplexity?: number;
  readonly top1Agreement?: number;
  readonly teacherKl?: number;
  readonly teacherStoredBytes?: number;
  readonly logicalParameters: number;
  readonly storedParameters: number;
  readonly storedBytes: number;
  readonly residentBytes: number;
  readonly latencies: readonly LatencyRecord[];
  readonly engine: string;
}

export interface ImportResult {
  readonly model: ModelRecord;
}

export interface ParameterChange {
  readonly path: string;
  readonly parametrization: string;
  readonly storedBytesBefore: number;
  readonly storedBytesAfter: number;
  readonly relativeError: number;
  readonly rank?: number;
}

export interface CompressResult {
  readonly model: ModelRecord;
  readonly changes: readonly ParameterChange[];
}

export interface DistillResult {
  readonly model: ModelRecord;
  readonly steps: number;
  readonly finalLoss: number;
  readonly validation: Readonly<Record<string, number>>;
}

export interface EvaluateResult {
  readonly report: EvaluationReport;
}

export interface ExportResult {
  readonly path: string;
  readonly files: readonly { readonly fileName: string; readonly sizeBytes: number }[];
  /** What a reader should know of the files, for example which layers were padded; absent where there is nothing. */
  readonly notes?: readonly string[];
}

/** Result of each kind of job. */
export interface JobResults {
  readonly import: ImportResult;
  readonly compress: CompressResult;
  readonly distill: DistillResult;
  readonly evaluate: EvaluateResult;
  readonly export: ExportResult;
}
export type JobKind = keyof JobResults;
