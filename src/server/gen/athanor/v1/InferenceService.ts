// Original file: proto/athanor/v1/inference.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ClassifyRequest as _athanor_v1_ClassifyRequest, ClassifyRequest__Output as _athanor_v1_ClassifyRequest__Output } from '../../athanor/v1/ClassifyRequest.ts';
import type { ClassifyResponse as _athanor_v1_ClassifyResponse, ClassifyResponse__Output as _athanor_v1_ClassifyResponse__Output } from '../../athanor/v1/ClassifyResponse.ts';
import type { DetokenizeRequest as _athanor_v1_DetokenizeRequest, DetokenizeRequest__Output as _athanor_v1_DetokenizeRequest__Output } from '../../athanor/v1/DetokenizeRequest.ts';
import type { DetokenizeResponse as _athanor_v1_DetokenizeResponse, DetokenizeResponse__Output as _athanor_v1_DetokenizeResponse__Output } from '../../athanor/v1/DetokenizeResponse.ts';
import type { DistributionsRequest as _athanor_v1_DistributionsRequest, DistributionsRequest__Output as _athanor_v1_DistributionsRequest__Output } from '../../athanor/v1/DistributionsRequest.ts';
import type { DistributionsResponse as _athanor_v1_DistributionsResponse, DistributionsResponse__Output as _athanor_v1_DistributionsResponse__Output } from '../../athanor/v1/DistributionsResponse.ts';
import type { EmbedRequest as _athanor_v1_EmbedRequest, EmbedRequest__Output as _athanor_v1_EmbedRequest__Output } from '../../athanor/v1/EmbedRequest.ts';
import type { EmbedResponse as _athanor_v1_EmbedResponse, EmbedResponse__Output as _athanor_v1_EmbedResponse__Output } from '../../athanor/v1/EmbedResponse.ts';
import type { FillMaskRequest as _athanor_v1_FillMaskRequest, FillMaskRequest__Output as _athanor_v1_FillMaskRequest__Output } from '../../athanor/v1/FillMaskRequest.ts';
import type { FillMaskResponse as _athanor_v1_FillMaskResponse, FillMaskResponse__Output as _athanor_v1_FillMaskResponse__Output } from '../../athanor/v1/FillMaskResponse.ts';
import type { GenerateRequest as _athanor_v1_GenerateRequest, GenerateRequest__Output as _athanor_v1_GenerateRequest__Output } from '../../athanor/v1/GenerateRequest.ts';
import type { GenerateResponse as _athanor_v1_GenerateResponse, GenerateResponse__Output as _athanor_v1_GenerateResponse__Output } from '../../athanor/v1/GenerateResponse.ts';
import type { ScoreRequest as _athanor_v1_ScoreRequest, ScoreRequest__Output as _athanor_v1_ScoreRequest__Output } from '../../athanor/v1/ScoreRequest.ts';
import type { ScoreResponse as _athanor_v1_ScoreResponse, ScoreResponse__Output as _athanor_v1_ScoreResponse__Output } from '../../athanor/v1/ScoreResponse.ts';
import type { TokenizeRequest as _athanor_v1_TokenizeRequest, TokenizeRequest__Output as _athanor_v1_TokenizeRequest__Output } from '../../athanor/v1/TokenizeRequest.ts';
import type { TokenizeResponse as _athanor_v1_TokenizeResponse, TokenizeResponse__Output as _athanor_v1_TokenizeResponse__Output } from '../../athanor/v1/TokenizeResponse.ts';

/**
 * Runs models that are in the store; a model that is not in memory is loaded first.
 */
export interface InferenceServiceClient extends grpc.Client {
  /**
   * Probabilities of a classifier's labels.
   */
  Classify(argument: _athanor_v1_ClassifyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ClassifyResponse__Output>): grpc.ClientUnaryCall;
  Classify(argument: _athanor_v1_ClassifyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ClassifyResponse__Output>): grpc.ClientUnaryCall;
  Classify(argument: _athanor_v1_ClassifyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ClassifyResponse__Output>): grpc.ClientUnaryCall;
  Classify(argument: _athanor_v1_ClassifyRequest, callback: grpc.requestCallback<_athanor_v1_ClassifyResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Probabilities of a classifier's labels.
   */
  classify(argument: _athanor_v1_ClassifyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ClassifyResponse__Output>): grpc.ClientUnaryCall;
  classify(argument: _athanor_v1_ClassifyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ClassifyResponse__Output>): grpc.ClientUnaryCall;
  classify(argument: _athanor_v1_ClassifyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ClassifyResponse__Output>): grpc.ClientUnaryCall;
  classify(argument: _athanor_v1_ClassifyRequest, callback: grpc.requestCallback<_athanor_v1_ClassifyResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Token ids to text.
   */
  Detokenize(argument: _athanor_v1_DetokenizeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_DetokenizeResponse__Output>): grpc.ClientUnaryCall;
  Detokenize(argument: _athanor_v1_DetokenizeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_DetokenizeResponse__Output>): grpc.ClientUnaryCall;
  Detokenize(argument: _athanor_v1_DetokenizeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_DetokenizeResponse__Output>): grpc.ClientUnaryCall;
  Detokenize(argument: _athanor_v1_DetokenizeRequest, callback: grpc.requestCallback<_athanor_v1_DetokenizeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Token ids to text.
   */
  detokenize(argument: _athanor_v1_DetokenizeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_DetokenizeResponse__Output>): grpc.ClientUnaryCall;
  detokenize(argument: _athanor_v1_DetokenizeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_DetokenizeResponse__Output>): grpc.ClientUnaryCall;
  detokenize(argument: _athanor_v1_DetokenizeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_DetokenizeResponse__Output>): grpc.ClientUnaryCall;
  detokenize(argument: _athanor_v1_DetokenizeRequest, callback: grpc.requestCallback<_athanor_v1_DetokenizeResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * What a model says of every row of a batch: a teacher for a student that is trained on another server. The rows come in order, as many in a
   * message as fit.
   */
  Distributions(argument: _athanor_v1_DistributionsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_DistributionsResponse__Output>;
  Distributions(argument: _athanor_v1_DistributionsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_DistributionsResponse__Output>;
  /**
   * What a model says of every row of a batch: a teacher for a student that is trained on another server. The rows come in order, as many in a
   * message as fit.
   */
  distributions(argument: _athanor_v1_DistributionsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_DistributionsResponse__Output>;
  distributions(argument: _athanor_v1_DistributionsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_DistributionsResponse__Output>;
  
  /**
   * One vector a text.
   */
  Embed(argument: _athanor_v1_EmbedRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_EmbedResponse__Output>): grpc.ClientUnaryCall;
  Embed(argument: _athanor_v1_EmbedRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_EmbedResponse__Output>): grpc.ClientUnaryCall;
  Embed(argument: _athanor_v1_EmbedRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_EmbedResponse__Output>): grpc.ClientUnaryCall;
  Embed(argument: _athanor_v1_EmbedRequest, callback: grpc.requestCallback<_athanor_v1_EmbedResponse__Output>): grpc.ClientUnaryCall;
  /**
   * One vector a text.
   */
  embed(argument: _athanor_v1_EmbedRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_EmbedResponse__Output>): grpc.ClientUnaryCall;
  embed(argument: _athanor_v1_EmbedRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_EmbedResponse__Output>): grpc.ClientUnaryCall;
  embed(argument: _athanor_v1_EmbedRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_EmbedResponse__Output>): grpc.ClientUnaryCall;
  embed(argument: _athanor_v1_EmbedRequest, callback: grpc.requestCallback<_athanor_v1_EmbedResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * The likeliest tokens in place of each mask.
   */
  FillMask(argument: _athanor_v1_FillMaskRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_FillMaskResponse__Output>): grpc.ClientUnaryCall;
  FillMask(argument: _athanor_v1_FillMaskRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_FillMaskResponse__Output>): grpc.ClientUnaryCall;
  FillMask(argument: _athanor_v1_FillMaskRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_FillMaskResponse__Output>): grpc.ClientUnaryCall;
  FillMask(argument: _athanor_v1_FillMaskRequest, callback: grpc.requestCallback<_athanor_v1_FillMaskResponse__Output>): grpc.ClientUnaryCall;
  /**
   * The likeliest tokens in place of each mask.
   */
  fillMask(argument: _athanor_v1_FillMaskRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_FillMaskResponse__Output>): grpc.ClientUnaryCall;
  fillMask(argument: _athanor_v1_FillMaskRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_FillMaskResponse__Output>): grpc.ClientUnaryCall;
  fillMask(argument: _athanor_v1_FillMaskRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_FillMaskResponse__Output>): grpc.ClientUnaryCall;
  fillMask(argument: _athanor_v1_FillMaskRequest, callback: grpc.requestCallback<_athanor_v1_FillMaskResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Continues a prompt and sends the text as it comes. Leaving the stream stops the generation.
   */
  Generate(argument: _athanor_v1_GenerateRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_GenerateResponse__Output>;
  Generate(argument: _athanor_v1_GenerateRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_GenerateResponse__Output>;
  /**
   * Continues a prompt and sends the text as it comes. Leaving the stream stops the generation.
   */
  generate(argument: _athanor_v1_GenerateRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_GenerateResponse__Output>;
  generate(argument: _athanor_v1_GenerateRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_athanor_v1_GenerateResponse__Output>;
  
  /**
   * Log-likelihoods of continuations.
   */
  Score(argument: _athanor_v1_ScoreRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  Score(argument: _athanor_v1_ScoreRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  Score(argument: _athanor_v1_ScoreRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  Score(argument: _athanor_v1_ScoreRequest, callback: grpc.requestCallback<_athanor_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Log-likelihoods of continuations.
   */
  score(argument: _athanor_v1_ScoreRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  score(argument: _athanor_v1_ScoreRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  score(argument: _athanor_v1_ScoreRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  score(argument: _athanor_v1_ScoreRequest, callback: grpc.requestCallback<_athanor_v1_ScoreResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Text to token ids.
   */
  Tokenize(argument: _athanor_v1_TokenizeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_TokenizeResponse__Output>): grpc.ClientUnaryCall;
  Tokenize(argument: _athanor_v1_TokenizeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_TokenizeResponse__Output>): grpc.ClientUnaryCall;
  Tokenize(argument: _athanor_v1_TokenizeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_TokenizeResponse__Output>): grpc.ClientUnaryCall;
  Tokenize(argument: _athanor_v1_TokenizeRequest, callback: grpc.requestCallback<_athanor_v1_TokenizeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Text to token ids.
   */
  tokenize(argument: _athanor_v1_TokenizeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_TokenizeResponse__Output>): grpc.ClientUnaryCall;
  tokenize(argument: _athanor_v1_TokenizeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_athanor_v1_TokenizeResponse__Output>): grpc.ClientUnaryCall;
  tokenize(argument: _athanor_v1_TokenizeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_athanor_v1_TokenizeResponse__Output>): grpc.ClientUnaryCall;
  tokenize(argument: _athanor_v1_TokenizeRequest, callback: grpc.requestCallback<_athanor_v1_TokenizeResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Runs models that are in the store; a model that is not in memory is loaded first.
 */
export interface InferenceServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Probabilities of a classifier's labels.
   */
  Classify: grpc.handleUnaryCall<_athanor_v1_ClassifyRequest__Output, _athanor_v1_ClassifyResponse>;
  
  /**
   * Token ids to text.
   */
  Detokenize: grpc.handleUnaryCall<_athanor_v1_DetokenizeRequest__Output, _athanor_v1_DetokenizeResponse>;
  
  /**
   * What a model says of every row of a batch: a teacher for a student that is trained on another server. The rows come in order, as many in a
   * message as fit.
   */
  Distributions: grpc.handleServerStreamingCall<_athanor_v1_DistributionsRequest__Output, _athanor_v1_DistributionsResponse>;
  
  /**
   * One vector a text.
   */
  Embed: grpc.handleUnaryCall<_athanor_v1_EmbedRequest__Output, _athanor_v1_EmbedResponse>;
  
  /**
   * The likeliest tokens in place of each mask.
   */
  FillMask: grpc.handleUnaryCall<_athanor_v1_FillMaskRequest__Output, _athanor_v1_FillMaskResponse>;
  
  /**
   * Continues a prompt and sends the text as it comes. Leaving the stream stops the generation.
   */
  Generate: grpc.handleServerStreamingCall<_athanor_v1_GenerateRequest__Output, _athanor_v1_GenerateResponse>;
  
  /**
   * Log-likelihoods of continuations.
   */
  Score: grpc.handleUnaryCall<_athanor_v1_ScoreRequest__Output, _athanor_v1_ScoreResponse>;
  
  /**
   * Text to token ids.
   */
  Tokenize: grpc.handleUnaryCall<_athanor_v1_TokenizeRequest__Output, _athanor_v1_TokenizeResponse>;
  
}

export interface InferenceServiceDefinition extends grpc.ServiceDefinition {
  Classify: MethodDefinition<_athanor_v1_ClassifyRequest, _athanor_v1_ClassifyResponse, _athanor_v1_ClassifyRequest__Output, _athanor_v1_ClassifyResponse__Output>
  Detokenize: MethodDefinition<_athanor_v1_DetokenizeRequest, _athanor_v1_DetokenizeResponse, _athanor_v1_DetokenizeRequest__Output, _athanor_v1_DetokenizeResponse__Output>
  Distributions: MethodDefinition<_athanor_v1_DistributionsRequest, _athanor_v1_DistributionsResponse, _athanor_v1_DistributionsRequest__Output, _athanor_v1_DistributionsResponse__Output>
  Embed: MethodDefinition<_athanor_v1_EmbedRequest, _athanor_v1_EmbedResponse, _athanor_v1_EmbedRequest__Output, _athanor_v1_EmbedResponse__Output>
  FillMask: MethodDefinition<_athanor_v1_FillMaskRequest, _athanor_v1_FillMaskResponse, _athanor_v1_FillMaskRequest__Output, _athanor_v1_FillMaskResponse__Output>
  Generate: MethodDefinition<_athanor_v1_GenerateRequest, _athanor_v1_GenerateResponse, _athanor_v1_GenerateRequest__Output, _athanor_v1_GenerateResponse__Output>
  Score: MethodDefinition<_athanor_v1_ScoreRequest, _athanor_v1_ScoreResponse, _athanor_v1_ScoreRequest__Output, _athanor_v1_ScoreResponse__Output>
  Tokenize: MethodDefinition<_athanor_v1_TokenizeRequest, _athanor_v1_TokenizeResponse, _athanor_v1_TokenizeRequest__Output, _athanor_v1_TokenizeResponse__Output>
}
