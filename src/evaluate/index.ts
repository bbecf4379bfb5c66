// evaluate: quality, comparison with a teacher, sizes, latency, and scores of continuations.
export { type BleuScore, bleu } from './bleu.ts';
export { type ClassificationResult, type ClassifierRequest, classificationScores, evaluateClassifier } from './classifier.ts';
export { defaultWindow, type EvaluationRequest, evaluateModel, tokensPerRun } from './evaluate-model.ts';
export { type EvaluateSequencesRequest, evaluateSequences, type SequenceEvaluation } from './evaluate-sequences.ts';
export { formatEvaluation, formatEvaluations } from './format.ts';
export { type LatencyOptions, measureLatency } from './latency.ts';
export { defaultHiddenShare, evaluateMasked, type MaskedEvaluation, type MaskedLoss } from './masked-loss.ts';
export { evaluatePairs, type PairLoss } from './pair-loss.ts';
export type { EvaluationResult, LatencyResult, TeacherComparison, TextQuality } from './result.ts';
export { type RougeOptions, type RougeScore, type RougeScores, rouge } from './rouge.ts';
export { ContinuationScorer, type ScoreResult, scoreContinuations } from './score.ts';
export type { ScoreRequest } from './score-request.ts';
