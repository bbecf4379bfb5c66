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

/** Of a classifier. */
export interface ClassificationRecord {
  readonly examples: number;
  readonly f1: number;
  readonly macroF1: number;
  readonly matthews: number;
  readonly labels: readonly string[];
  /** Row by row: the right label, then the guess. */
  readonly confusion: readonly number[];
}

/** Of an encoder-decoder. */
export interface SequenceRecord {
  readonly sources: number;
  readonly sourcesCut: number;
  readonly bleu: number;
  readonly rouge1: number;
  readonly rouge2: number;
  readonly rougeL: number;
  readonly exactMatch: number;
  readonly generatedTokens: number;
  readonly seconds: number;
}

/** Of a model that guesses hidden tokens. */
export interface HiddenTokenRecord {
  readonly lines: number;
  readonly hiddenTokens: number;
  /** Hidden at a time; 0 where every token was hidden by itself. */
  readonly share: number;
  readonly seed: number;
  readonly pseudoPerplexity: number;
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
  readonly teacherAccuracy?: number;
  readonly classification?: ClassificationRecord;
  readonly sequences?: SequenceRecord;
  readonly hiddenTokens?: HiddenTokenRecord;
  readonly logicalParameters: number;
  readonly storedParameters: number;
  readonly storedBytes: number;
  readonly residentBytes: number;
  readonly latencies: readonly LatencyRecord[];
  readonly engine: string;
}

/** What a fresh process that loaded the result found; see `ResultCheck`. */
export interface Verification {
  /** That both sides ran. */
  readonly tokens: number;
  readonly maxRelativeDifference: number;
  readonly tolerance: number;
  readonly elapsedMs: number;
}

export interface ImportResult {
  readonly model: ModelRecord;
  /** Absent where checking is switched off. */
  readonly verification?: Verification;
  /** Absent where nobody measured. */
  readonly memory?: MemoryReport;
}

export interface ParameterChange {
  readonly path: string;
  readonly parametrization: string;
  readonly storedBytesBefore: number;
  readonly storedBytesAfter: number;
  /** The output error where the method looked at inputs, else the weight error. */
  readonly relativeError: number;
  readonly rank?: number;
  /** Place of the step in the recipe, from 0. */
  readonly step: number;
  /** Of the weights as they were before this step. */
  readonly weightError: number;
  readonly outputError?: number;
  /** Weight error of the step before that touched the parameter; 0 for the first. */
  readonly errorBefore: number;
  /** Empty where there is nothing to say. */
  readonly note: string;
}

/** What one step of a recipe did. */
export interface StepReport {
  readonly method: string;
  /** Over the touched parameters. */
  readonly storedBytesBefore: number;
  readonly storedBytesAfter: number;
  readonly note: string;
  /** Of the model after the step; empty where stages are not measured. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The result is the model of a stage before it. */
  readonly dropped: boolean;
  readonly gate?: GateRecord;
  readonly search?: SearchRecord;
}

/** What a gate found. */
export interface GateRecord {
  readonly metric: string;
  readonly value: number;
  /** Of the model that it was compared with. */
  readonly reference: number;
  /** The worst value that passes. */
  readonly limit: number;
  readonly held: boolean;
}

/** What a search tried. */
export interface SearchRecord {
  readonly trials: readonly SearchTrialRecord[];
  /** Index of the trial that is the result; absent where nothing was tried. */
  readonly chosen?: number;
  readonly ended: string;
}

export interface SearchTrialRecord {
  readonly name: string;
  readonly family: string;
  /** `{"steps": [...]}` */
  readonly recipeJson: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly meetsTarget: boolean;
  readonly onFront: boolean;
  readonly elapsedMs: number;
  /** Why it could not be made; empty where it was. */
  readonly failure: string;
}

/** Why a recipe ended before its last step. */
export interface RecipeStopRecord {
  readonly step: number;
  readonly reason: string;
  readonly keptSteps: number;
}

/** Which calibration text was used, so that another run can be held against it. */
export interface CalibrationManifest {
  readonly paths: readonly string[];
  /** SHA-256 of the text, independent of the tokenizer. */
  readonly textHash: string;
  readonly documents: number;
  /** Windows of tokens that were run. */
  readonly rows: number;
  readonly rowsAvailable: number;
  /** Tokens of each row: the length cap. */
  readonly rowTokens: number;
  readonly seed: number;
  readonly padding: string;
  readonly specialTokens: string;
  /** What a row is, for example `labelled text`. */
  readonly rowKind: string;
  /** SHA-256 over the token ids of all rows, 64-bit little-endian. */
  readonly rowsHash: string;
  /** The first 16 digits of the like for each row, at most 64 rows. */
  readonly rowHashes: readonly string[];
}

/** Memory of the process, expected and measured. */
export interface MemoryReport {
  readonly estimatedPeakBytes: number;
  readonly peakBytes: number;
  readonly limitBytes: number;
  /** The part of the work that was expected to need most. */
  readonly phase: string;
}

export interface CompressResult {
  readonly model: ModelRecord;
  readonly changes: readonly ParameterChange[];
  readonly steps: readonly StepReport[];
  /** Of the model that was compressed; empty where nothing was measured. */
  readonly startMetrics: Readonly<Record<string, number>>;
  /** Absent where all steps ran. */
  readonly stop?: RecipeStopRecord;
  readonly memory: MemoryReport;
  /** Absent where no step looked at text. */
  readonly calibration?: CalibrationManifest;
  readonly verification?: Verification;
}

export interface DistillResult {
  readonly model: ModelRecord;
  readonly steps: number;
  readonly finalLoss: number;
  readonly validation: Readonly<Record<string, number>>;
  readonly memory: MemoryReport;
  readonly verification?: Verification;
}

export interface EvaluateResult {
  readonly report: EvaluationReport;
  /** Absent where nobody measured. */
  readonly memory?: MemoryReport;
}

export interface ExportResult {
  readonly path: string;
  readonly files: readonly { readonly fileName: string; readonly sizeBytes: number }[];
  /** What a reader should know of the files, for example which layers were padded; absent where there is nothing. */
  readonly notes?: readonly string[];
  /** Absent where nobody measured. */
  readonly memory?: MemoryReport;
}

export interface RecordResult {
  readonly path: string;
  readonly examples: number;
  readonly rows: number;
  readonly sizeBytes: number;
  /** `name@version` */
  readonly teacher: string;
  /** Absent where nobody measured. */
  readonly memory?: MemoryReport;
}

/** Result of each kind of job. */
export interface JobResults {
  readonly import: ImportResult;
  readonly compress: CompressResult;
  readonly distill: DistillResult;
  readonly evaluate: EvaluateResult;
  readonly export: ExportResult;
  readonly record: RecordResult;
}
export type JobKind = keyof JobResults;
