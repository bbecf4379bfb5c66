// The models in the server's store.

package athanor

import (
	"context"
	"errors"
	"io"

	"athanor/client/gen/athanorv1"
)

// Import brings in a Hugging Face folder that lies on the server; it answers when the model is stored.
// With replace a new version is stored when the name exists, which is the error model_exists otherwise.
func (c *Client) Import(ctx context.Context, name, serverPath string, replace bool) (*athanorv1.ModelInfo, error) {
	response, err := c.models.Import(ctx, &athanorv1.ModelServiceImportRequest{Name: name, Path: serverPath, Replace: replace})
	return response.GetModel(), callError(ctx, c.target, err)
}

// Upload brings in a Hugging Face folder of this machine: its .json and .safetensors files are sent in chunks.
// With replace a new version is stored when the name exists, which is the error model_exists otherwise.
func (c *Client) Upload(ctx context.Context, name, folder string, replace bool) (*athanorv1.ModelInfo, error) {
	files, err := filesToUpload(folder)
	if err != nil {
		return nil, err
	}
	// Leaving early, because a file cannot be read, has to end the call too.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.models.ImportUpload(ctx)
	if err != nil {
		return nil, callError(ctx, c.target, err)
	}
	header := &athanorv1.UploadHeader{Name: name, Replace: replace}
	err = stream.Send(&athanorv1.ModelServiceImportUploadRequest{Part: &athanorv1.ModelServiceImportUploadRequest_Header{Header: header}})
	for _, file := range files {
		if err != nil {
			break
		}
		err = sendFile(stream, folder, file)
	}
	// io.EOF says that the server has answered already; its words come from the receiving side.
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, callError(ctx, c.target, err)
	}
	response, err := stream.CloseAndRecv()
	return response.GetModel(), callError(ctx, c.target, err)
}

// Models lists the newest version of every model, by name, without their parameters.
func (c *Client) Models(ctx context.Context) ([]*athanorv1.ModelInfo, error) {
	response, err := c.models.List(ctx, &athanorv1.ModelServiceListRequest{})
	return response.GetModels(), callError(ctx, c.target, err)
}

// Model shows one model with its parameters; "name", or "name@version" for an older version.
func (c *Client) Model(ctx context.Context, name string) (*athanorv1.ModelInfo, error) {
	response, err := c.models.Get(ctx, &athanorv1.ModelServiceGetRequest{Name: name})
	return response.GetModel(), callError(ctx, c.target, err)
}

// Load brings a model into the server's memory. Other calls do that by themselves.
func (c *Client) Load(ctx context.Context, name string) (*athanorv1.ModelInfo, error) {
	response, err := c.models.Load(ctx, &athanorv1.ModelServiceLoadRequest{Name: name})
	return response.GetModel(), callError(ctx, c.target, err)
}

// Unload gives a model's memory back and returns the bytes that were freed, 0 when it was not loaded.
func (c *Client) Unload(ctx context.Context, name string) (uint64, error) {
	response, err := c.models.Unload(ctx, &athanorv1.ModelServiceUnloadRequest{Name: name})
	return response.GetFreedBytes(), callError(ctx, c.target, err)
}

// Delete removes a model with all its versions.
func (c *Client) Delete(ctx context.Context, name string) error {
	_, err := c.models.Delete(ctx, &athanorv1.ModelServiceDeleteRequest{Name: name})
	return callError(ctx, c.target, err)
}

// Promote serves a version ("name@version", or the newest) under a stable name, which every call takes like a model's, if its newest
// evaluation meets the thresholds; nil keeps those that the name has.
func (c *Client) Promote(ctx context.Context, alias, model string, thresholds *athanorv1.Thresholds) (*athanorv1.Promotion, error) {
	response, err := c.models.Promote(ctx, &athanorv1.ModelServicePromoteRequest{Alias: alias, Model: model, Thresholds: thresholds})
	return response.GetPromotion(), callError(ctx, c.target, err)
}

// RollBack lets a stable name stand for an earlier promotion; 0 is the newest of another version.
func (c *Client) RollBack(ctx context.Context, alias string, to uint32) (*athanorv1.Promotion, error) {
	response, err := c.models.RollBack(ctx, &athanorv1.ModelServiceRollBackRequest{Alias: alias, To: to})
	return response.GetPromotion(), callError(ctx, c.target, err)
}

// Promotions lists what a stable name stood for, newest first; of all names what they stand for now, when none is given.
func (c *Client) Promotions(ctx context.Context, alias string) ([]*athanorv1.Promotion, error) {
	response, err := c.models.Promotions(ctx, &athanorv1.ModelServicePromotionsRequest{Alias: alias})
	return response.GetPromotions(), callError(ctx, c.target, err)
}

// Export writes a model to a folder of this machine. The folder appears whole or not at all; it must not exist, or be empty.
func (c *Client) Export(ctx context.Context, name, folder string, format athanorv1.ExportFormat) error {
	writer, err := newFolderWriter(folder)
	if err != nil {
		return err
	}
	defer writer.discard()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.models.Export(ctx, &athanorv1.ModelServiceExportRequest{Name: name, Format: format})
	for err == nil {
		var response *athanorv1.ModelServiceExportResponse
		if response, err = stream.Recv(); err == nil {
			err = writer.write(response.GetChunk())
		}
	}
	if !errors.Is(err, io.EOF) {
		return callError(ctx, c.target, err)
	}
	return writer.finish()
}
