import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { Classification as _athanor_v1_Classification, Classification__Output as _athanor_v1_Classification__Output } from './athanor/v1/Classification.ts';
import type { ClassifyRequest as _athanor_v1_ClassifyRequest, ClassifyRequest__Output as _athanor_v1_ClassifyRequest__Output } from './athanor/v1/ClassifyRequest.ts';
import type { ClassifyResponse as _athanor_v1_ClassifyResponse, ClassifyResponse__Output as _athanor_v1_ClassifyResponse__Output } from './athanor/v1/ClassifyResponse.ts';
import type { DetokenizeRequest as _athanor_v1_DetokenizeRequest, DetokenizeRequest__Output as _athanor_v1_DetokenizeRequest__Output } from './athanor/v1/DetokenizeRequest.ts';
import type { DetokenizeResponse as _athanor_v1_DetokenizeResponse, DetokenizeResponse__Output as _athanor_v1_DetokenizeResponse__Output } from './athanor/v1/DetokenizeResponse.ts';
import type { DistributionsRequest as _athanor_v1_DistributionsRequest, DistributionsRequest__Output as _athanor_v1_DistributionsRequest__Output } from './athanor/v1/DistributionsRequest.ts';
import type { DistributionsResponse as _athanor_v1_DistributionsResponse, DistributionsResponse__Output as _athanor_v1_DistributionsResponse__Output } from './athanor/v1/DistributionsResponse.ts';
import type { EmbedRequest as _athanor_v1_EmbedRequest, EmbedRequest__Output as _athanor_v1_EmbedRequest__Output } from './athanor/v1/EmbedRequest.ts';
import type { EmbedResponse as _athanor_v1_EmbedResponse, EmbedResponse__Output as _athanor_v1_EmbedResponse__Output } from './athanor/v1/EmbedResponse.ts';
import type { Embedding as _athanor_v1_Embedding, Embedding__Output as _athanor_v1_Embedding__Output } from './athanor/v1/Embedding.ts';
import type { FillMaskRequest as _athanor_v1_FillMaskRequest, FillMaskRequest__Output as _athanor_v1_FillMaskRequest__Output } from './athanor/v1/FillMaskRequest.ts';
import type { FillMaskResponse as _athanor_v1_FillMaskResponse, FillMaskResponse__Output as _athanor_v1_FillMaskResponse__Output } from './athanor/v1/FillMaskResponse.ts';
import type { FilledMasks as _athanor_v1_FilledMasks, FilledMasks__Output as _athanor_v1_FilledMasks__Output } from './athanor/v1/FilledMasks.ts';
import type { GenerateRequest as _athanor_v1_GenerateRequest, GenerateRequest__Output as _athanor_v1_GenerateRequest__Output } from './athanor/v1/GenerateRequest.ts';
import type { GenerateResponse as _athanor_v1_GenerateResponse, GenerateResponse__Output as _athanor_v1_GenerateResponse__Output } from './athanor/v1/GenerateResponse.ts';
import type { InferenceServiceClient as _athanor_v1_InferenceServiceClient, InferenceServiceDefinition as _athanor_v1_InferenceServiceDefinition } from './athanor/v1/InferenceService.ts';
import type { MaskCandidate as _athanor_v1_MaskCandidate, MaskCandidate__Output as _athanor_v1_MaskCandidate__Output } from './athanor/v1/MaskCandidate.ts';
import type { MaskCandidates as _athanor_v1_MaskCandidates, MaskCandidates__Output as _athanor_v1_MaskCandidates__Output } from './athanor/v1/MaskCandidates.ts';
import type { Score as _athanor_v1_Score, Score__Output as _athanor_v1_Score__Output } from './athanor/v1/Score.ts';
import type { ScorePair as _athanor_v1_ScorePair, ScorePair__Output as _athanor_v1_ScorePair__Output } from './athanor/v1/ScorePair.ts';
import type { ScoreRequest as _athanor_v1_ScoreRequest, ScoreRequest__Output as _athanor_v1_ScoreRequest__Output } from './athanor/v1/ScoreRequest.ts';
import type { ScoreResponse as _athanor_v1_ScoreResponse, ScoreResponse__Output as _athanor_v1_ScoreResponse__Output } from './athanor/v1/ScoreResponse.ts';
import type { TextPair as _athanor_v1_TextPair, TextPair__Output as _athanor_v1_TextPair__Output } from './athanor/v1/TextPair.ts';
import type { TokenIds as _athanor_v1_TokenIds, TokenIds__Output as _athanor_v1_TokenIds__Output } from './athanor/v1/TokenIds.ts';
import type { TokenLogprob as _athanor_v1_TokenLogprob, TokenLogprob__Output as _athanor_v1_TokenLogprob__Output } from './athanor/v1/TokenLogprob.ts';
import type { TokenizeRequest as _athanor_v1_TokenizeRequest, TokenizeRequest__Output as _athanor_v1_TokenizeRequest__Output } from './athanor/v1/TokenizeRequest.ts';
import type { TokenizeResponse as _athanor_v1_TokenizeResponse, TokenizeResponse__Output as _athanor_v1_TokenizeResponse__Output } from './athanor/v1/TokenizeResponse.ts';
import type { Usage as _athanor_v1_Usage, Usage__Output as _athanor_v1_Usage__Output } from './athanor/v1/Usage.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  athanor: {
    v1: {
      Classification: MessageTypeDefinition<_athanor_v1_Classification, _athanor_v1_Classification__Output>
      ClassifyRequest: MessageTypeDefinition<_athanor_v1_ClassifyRequest, _athanor_v1_ClassifyRequest__Output>
      ClassifyResponse: MessageTypeDefinition<_athanor_v1_ClassifyResponse, _athanor_v1_ClassifyResponse__Output>
      DetokenizeRequest: MessageTypeDefinition<_athanor_v1_DetokenizeRequest, _athanor_v1_DetokenizeRequest__Output>
      DetokenizeResponse: MessageTypeDefinition<_athanor_v1_DetokenizeResponse, _athanor_v1_DetokenizeResponse__Output>
      DistributionsRequest: MessageTypeDefinition<_athanor_v1_DistributionsRequest, _athanor_v1_DistributionsRequest__Output>
      DistributionsResponse: MessageTypeDefinition<_athanor_v1_DistributionsResponse, _athanor_v1_DistributionsResponse__Output>
      EmbedRequest: MessageTypeDefinition<_athanor_v1_EmbedRequest, _athanor_v1_EmbedRequest__Output>
      EmbedResponse: MessageTypeDefinition<_athanor_v1_EmbedResponse, _athanor_v1_EmbedResponse__Output>
      Embedding: MessageTypeDefinition<_athanor_v1_Embedding, _athanor_v1_Embedding__Output>
      FillMaskRequest: MessageTypeDefinition<_athanor_v1_FillMaskRequest, _athanor_v1_FillMaskRequest__Output>
      FillMaskResponse: MessageTypeDefinition<_athanor_v1_FillMaskResponse, _athanor_v1_FillMaskResponse__Output>
      FilledMasks: MessageTypeDefinition<_athanor_v1_FilledMasks, _athanor_v1_FilledMasks__Output>
      FinishReason: EnumTypeDefinition
      GenerateRequest: MessageTypeDefinition<_athanor_v1_GenerateRequest, _athanor_v1_GenerateRequest__Output>
      GenerateResponse: MessageTypeDefinition<_athanor_v1_GenerateResponse, _athanor_v1_GenerateResponse__Output>
      /**
       * Runs models that are in the store; a model that is not in memory is loaded first.
       */
      InferenceService: SubtypeConstructor<typeof grpc.Client, _athanor_v1_InferenceServiceClient> & { service: _athanor_v1_InferenceServiceDefinition }
      MaskCandidate: MessageTypeDefinition<_athanor_v1_MaskCandidate, _athanor_v1_MaskCandidate__Output>
      MaskCandidates: MessageTypeDefinition<_athanor_v1_MaskCandidates, _athanor_v1_MaskCandidates__Output>
      Score: MessageTypeDefinition<_athanor_v1_Score, _athanor_v1_Score__Output>
      ScorePair: MessageTypeDefinition<_athanor_v1_ScorePair, _athanor_v1_ScorePair__Output>
      ScoreRequest: MessageTypeDefinition<_athanor_v1_ScoreRequest, _athanor_v1_ScoreRequest__Output>
      ScoreResponse: MessageTypeDefinition<_athanor_v1_ScoreResponse, _athanor_v1_ScoreResponse__Output>
      TextPair: MessageTypeDefinition<_athanor_v1_TextPair, _athanor_v1_TextPair__Output>
      TokenIds: MessageTypeDefinition<_athanor_v1_TokenIds, _athanor_v1_TokenIds__Output>
      TokenLogprob: MessageTypeDefinition<_athanor_v1_TokenLogprob, _athanor_v1_TokenLogprob__Output>
      TokenizeRequest: MessageTypeDefinition<_athanor_v1_TokenizeRequest, _athanor_v1_TokenizeRequest__Output>
      TokenizeResponse: MessageTypeDefinition<_athanor_v1_TokenizeResponse, _athanor_v1_TokenizeResponse__Output>
      Usage: MessageTypeDefinition<_athanor_v1_Usage, _athanor_v1_Usage__Output>
    }
  }
}

