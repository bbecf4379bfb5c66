// What an evaluation finds, as one plain object.

/** How well a model predicts the text. */
export interface TextQuality {
  /** Σ −log2 p(token) over the scored tokens, divided by the UTF-8 bytes of the text. */
  readonly bitsPerByte: number;
  /** exp of the mean loss of the scored tokens; depends on tokenizer and protocol. */
  readonly tokenPerplexity: number;
  /** Mean loss of a scored token, nats. */
  readonly lossNats: number;
  /** Share of scored tokens that were the model's most likely token. */
  readonly accuracy: number;
}

/** How close a model is to its teacher on the same tokens. */
export interface TeacherComparison extends TextQuality {
  /** Share of scored positions at which both models have the same most likely token. */
  readonly topTokenAgreement: number;
  /** Mean KL(teacher ‖ student) over the whole vocabulary, nats a token. */
  readonly divergenceNats: number;
  readonly storedBytes: number;
}

/** Medians for one batch size. */
export interface LatencyResult {
  readonly batch: number;
  /** Tokens of each prompt. */
  readonly promptTokens: number;
  /** One prompt of each sequence, all at once. */
  readonly prefillMs: number;
  /** One new token of each sequence. */
  readonly decodeStepMs: number;
  readonly decodeTokensPerSecond: number;
}

/** Plain JSON: undefined fields are absent. */
export interface EvaluationResult extends TextQuality {
  /** Window, stride and what is scored, in words. */
  readonly protocol: string;
  readonly window: number;
  readonly stride: number;
  readonly scoredTokens: number;
  /** Bytes of the text. */
  readonly textBytes: number;
  /** SHA-256 of the text. */
  readonly dataFingerprint: string;
  /** The teacher's own figures and the distance to it. */
  readonly teacher?: TeacherComparison;
  /** Elements of the dense tensors that the architecture stands for. */
  readonly logicalParameters: number;
  /** Elements of the distinct tensors that are stored. */
  readonly storedParameters: number;
  readonly storedBytes: number;
  /** Bytes of the weights on the device. */
  readonly residentBytes: number;
  readonly latency: readonly LatencyResult[];
  /** For example `onnx on cpu`. */
  readonly engine: string;
}
