// Starting the three kinds of work: compressing, distilling, evaluating.

package athanor

import (
	"context"

	"athanor/client/gen/athanorv1"
)

// TextFiles are texts that lie on the server: .txt or .jsonl (whose rows hold the text in a field named "text"), either gzipped.
// Relative paths start where the server was started.
func TextFiles(serverPaths ...string) *athanorv1.TextData {
	return &athanorv1.TextData{Paths: serverPaths}
}

// InlineText is a small text, at most 3 MiB, that travels with the request.
func InlineText(text string) *athanorv1.TextData {
	return &athanorv1.TextData{InlineText: []byte(text)}
}

// CompressOptions says what to make of a model, and how.
type CompressOptions struct {
	// Name to store the result under.
	Name string
	// Recipe: see [Steps], [RecipeYAML] and [RecipeName].
	Recipe Recipe
	// Data is text for the steps that calibrate or train.
	Data *athanorv1.TextData
	// Calibration says how much of Data is used; nil takes the defaults.
	Calibration *athanorv1.Calibration
	// Validation is what gates, searches and stages are measured on; nil takes, where one is needed, a tenth of Data that no step trains on.
	Validation *athanorv1.TextData
	// EvaluateStages measures the model before the first and after every step; nil does where there is Validation.
	EvaluateStages *bool
	// Replace stores a new version when Name exists, which is the error model_exists otherwise.
	Replace bool
}

// Compress starts a job that applies a recipe to a model and stores the result; the model ("name" or "name@version") stays as it is.
func (c *Client) Compress(ctx context.Context, model string, options CompressOptions) (*Job[*athanorv1.CompressResult], error) {
	spec := &athanorv1.CompressSpec{
		Model: model, Name: options.Name, Data: options.Data, Calibration: options.Calibration, Replace: options.Replace,
		Validation: options.Validation, EvaluateStages: options.EvaluateStages,
	}
	if options.Recipe != nil {
		if err := options.Recipe(spec); err != nil {
			return nil, err
		}
	}
	return submit(ctx, c, &athanorv1.JobSpec{Spec: &athanorv1.JobSpec_Compress{Compress: spec}}, (*athanorv1.JobResult).GetCompress)
}

// Distill starts a job that trains a student, against a teacher where the spec names one, and stores the result.
func (c *Client) Distill(ctx context.Context, spec *athanorv1.DistillSpec) (*Job[*athanorv1.DistillResult], error) {
	return submit(ctx, c, &athanorv1.JobSpec{Spec: &athanorv1.JobSpec_Distill{Distill: spec}}, (*athanorv1.JobResult).GetDistill)
}

// Evaluate starts a job that measures a model on a text, against a teacher where the spec names one.
func (c *Client) Evaluate(ctx context.Context, spec *athanorv1.EvaluateSpec) (*Job[*athanorv1.EvaluationReport], error) {
	report := func(result *athanorv1.JobResult) *athanorv1.EvaluationReport { return result.GetEvaluate().GetReport() }
	return submit(ctx, c, &athanorv1.JobSpec{Spec: &athanorv1.JobSpec_Evaluate{Evaluate: spec}}, report)
}
