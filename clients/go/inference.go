// Using a model: generating, scoring, classifying, embedding, filling masks, tokenizing.

package athanor

import (
	"context"
	"iter"
	"slices"
	"strings"

	"athanor/client/gen/athanorv1"
)

// Prompt begins a request to [Client.Generate] with a text; set the other fields on it.
func Prompt(model, text string) *athanorv1.GenerateRequest {
	return &athanorv1.GenerateRequest{Model: model, Prompt: &athanorv1.GenerateRequest_Text{Text: text}}
}

// PromptTokens begins a request to [Client.Generate] with token ids, which are taken as they are.
func PromptTokens(model string, ids []uint32) *athanorv1.GenerateRequest {
	return &athanorv1.GenerateRequest{Model: model, Prompt: &athanorv1.GenerateRequest_Tokens{Tokens: &athanorv1.TokenIds{Ids: ids}}}
}

// Generate continues a prompt and iterates over the pieces as they come. Breaking off the loop stops the generation on the server.
// An error is the last thing that is yielded. A loop over the result a second time generates a second time.
func (c *Client) Generate(ctx context.Context, request *athanorv1.GenerateRequest) iter.Seq2[*athanorv1.GenerateResponse, error] {
	return func(yield func(*athanorv1.GenerateResponse, error) bool) {
		call, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := c.inference.Generate(call, request)
		for err == nil {
			var response *athanorv1.GenerateResponse
			if response, err = stream.Recv(); err == nil && !yield(response, nil) {
				return
			}
		}
		if err = withoutEnd(err); err != nil {
			yield(nil, callError(ctx, c.target, err))
		}
	}
}

// Generated is one whole continuation.
type Generated struct {
	Text     string
	TokenIDs []uint32
	// Logprobs holds one entry for each token where the request asked for them.
	Logprobs     []*athanorv1.TokenLogprob
	FinishReason athanorv1.FinishReason
	// Stop is the stop text that ended it, where one did.
	Stop  string
	Usage *athanorv1.Usage
}

// Collect reads a generation to its end and returns its continuations by their index: one, unless the request asked for more.
func Collect(pieces iter.Seq2[*athanorv1.GenerateResponse, error]) ([]Generated, error) {
	texts := map[uint32]*strings.Builder{}
	found := map[uint32]*Generated{}
	for piece, err := range pieces {
		if err != nil {
			return nil, err
		}
		index := piece.GetIndex()
		if found[index] == nil {
			found[index], texts[index] = &Generated{}, &strings.Builder{}
		}
		whole := found[index]
		texts[index].WriteString(piece.GetText())
		whole.TokenIDs = append(whole.TokenIDs, piece.GetTokenIds()...)
		whole.Logprobs = append(whole.Logprobs, piece.GetLogprobs()...)
		if piece.GetFinishReason() != athanorv1.FinishReason_FINISH_REASON_UNSPECIFIED {
			whole.FinishReason, whole.Stop, whole.Usage = piece.GetFinishReason(), piece.GetStop(), piece.GetUsage()
		}
	}
	indices := make([]uint32, 0, len(found))
	for index := range found {
		indices = append(indices, index)
	}
	slices.Sort(indices)
	all := make([]Generated, 0, len(found))
	for _, index := range indices {
		found[index].Text = texts[index].String()
		all = append(all, *found[index])
	}
	return all, nil
}

// Score gives the log-likelihoods of continuations, one for each pair, in order.
func (c *Client) Score(ctx context.Context, model string, pairs ...*athanorv1.ScorePair) ([]*athanorv1.Score, error) {
	response, err := c.inference.Score(ctx, &athanorv1.ScoreRequest{Model: model, Pairs: pairs})
	return response.GetScores(), callError(ctx, c.target, err)
}

// Classify gives the probabilities of a classifier's labels, one result for each input, in order.
func (c *Client) Classify(ctx context.Context, model string, inputs ...*athanorv1.TextPair) (*athanorv1.ClassifyResponse, error) {
	response, err := c.inference.Classify(ctx, &athanorv1.ClassifyRequest{Model: model, Inputs: inputs})
	return response, callError(ctx, c.target, err)
}

// Embed gives one vector for each text, in order, of length 1 or not as the model says.
func (c *Client) Embed(ctx context.Context, model string, texts ...string) ([]*athanorv1.Embedding, error) {
	return c.EmbedRequest(ctx, &athanorv1.EmbedRequest{Model: model, Texts: texts})
}

// EmbedRequest is Embed with all the settings of a request.
func (c *Client) EmbedRequest(ctx context.Context, request *athanorv1.EmbedRequest) ([]*athanorv1.Embedding, error) {
	response, err := c.inference.Embed(ctx, request)
	return response.GetEmbeddings(), callError(ctx, c.target, err)
}

// FillMask gives the topK likeliest tokens for each mask of each text; 0 takes the server's number, 5.
func (c *Client) FillMask(ctx context.Context, model string, topK uint32, texts ...string) ([]*athanorv1.FilledMasks, error) {
	request := &athanorv1.FillMaskRequest{Model: model, Texts: texts}
	if topK > 0 {
		request.TopK = &topK
	}
	response, err := c.inference.FillMask(ctx, request)
	return response.GetResults(), callError(ctx, c.target, err)
}

// Tokenize gives the token ids of a text.
func (c *Client) Tokenize(ctx context.Context, model, text string) ([]uint32, error) {
	response, err := c.inference.Tokenize(ctx, &athanorv1.TokenizeRequest{Model: model, Text: text})
	return response.GetIds(), callError(ctx, c.target, err)
}

// Detokenize gives the text of token ids.
func (c *Client) Detokenize(ctx context.Context, model string, ids []uint32) (string, error) {
	response, err := c.inference.Detokenize(ctx, &athanorv1.DetokenizeRequest{Model: model, Ids: ids})
	return response.GetText(), callError(ctx, c.target, err)
}
