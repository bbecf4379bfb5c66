// Errors, folders, recipes and generation, against the fake server.

package athanor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"athanor/client/gen/athanorv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestErrorsCarryCodeValuesViolationsAndAdvice(t *testing.T) {
	_, client := startFake(t)
	_, err := client.Compress(t.Context(), "teacher", CompressOptions{Name: "taken"})
	var found *Error
	if !errors.As(err, &found) {
		t.Fatalf("error %#v", err)
	}
	if found.Code != "name_taken" || found.Status != codes.AlreadyExists || found.Details["name"] != "x" || found.RetryAfter != 1500*time.Millisecond {
		t.Errorf("error %#v", found)
	}
	if !slices.Equal(found.FieldViolations, []FieldViolation{{"name", "is taken"}}) || found.Error() != "[name_taken] job: the name is taken." {
		t.Errorf("error %#v", found)
	}
	wrapped := fmt.Errorf("compressing: %w", err)
	if !errors.Is(wrapped, ErrAlreadyExists) || errors.Is(wrapped, ErrNotFound) || !HasCode(wrapped, "name_taken") || status.Code(err) != codes.AlreadyExists {
		t.Errorf("kinds of %v", wrapped)
	}
}

func TestAServerThatIsNotThereIsNamed(t *testing.T) {
	client := dial(t, "127.0.0.1:1")
	if _, err := client.Models(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := client.WaitUntilReady(ctx); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestReadyAndHealthy(t *testing.T) {
	_, client := startFake(t)
	if err := client.WaitUntilReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if healthy, err := client.Healthy(t.Context(), ""); err != nil || !healthy {
		t.Errorf("healthy %v, error %v", healthy, err)
	}
	if _, err := client.Healthy(t.Context(), "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestACancelledCallHasTheContextsErrorInside(t *testing.T) {
	_, client := startFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Model(ctx, "x"); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrCancelled) {
		t.Errorf("error %v", err)
	}
}

func TestUploadSendsTheConfigFirstAndWholeFiles(t *testing.T) {
	fake, client := startFake(t)
	folder := t.TempDir()
	weights := make([]byte, chunkBytes+3)
	for index := range weights {
		weights[index] = byte(index % 251)
	}
	write(t, folder, map[string]string{
		"config.json": "{}", "tokenizer.json": "", "model.safetensors": string(weights), "README.md": "no", "pytorch_model.bin": "no",
	})
	model, err := client.Upload(t.Context(), "sent", folder, false)
	if err != nil || model.GetName() != "sent" {
		t.Fatalf("model %v, error %v", model, err)
	}
	var order []string
	content := map[string]string{}
	for _, part := range fake.uploads[1:] {
		chunk := part.GetChunk()
		if uint64(len(content[chunk.GetFileName()])) != chunk.GetOffsetBytes() {
			t.Errorf("%s: a chunk at byte %d", chunk.GetFileName(), chunk.GetOffsetBytes())
		}
		content[chunk.GetFileName()] += string(chunk.GetData())
		order = append(order, fmt.Sprintf("%s %d", chunk.GetFileName(), len(chunk.GetData())))
	}
	wanted := []string{"config.json 2", "tokenizer.json 0", "model.safetensors 1048576", "model.safetensors 3"}
	if !slices.Equal(order, wanted) || content["model.safetensors"] != string(weights) {
		t.Errorf("sent %v", order)
	}
}

func TestARefusedUploadGivesTheServersReason(t *testing.T) {
	_, client := startFake(t)
	folder := t.TempDir()
	files := map[string]string{"refused.json": "{}"}
	for index := range 40 {
		files[fmt.Sprintf("shard-%02d.safetensors", index)] = strings.Repeat("x", 100_000)
	}
	write(t, folder, files)
	if _, err := client.Upload(t.Context(), "sent", folder, false); !HasCode(err, "bad_config") {
		t.Errorf("error %v", err)
	}
}

func TestUploadRefusesPicklesAndWhatIsNoFolder(t *testing.T) {
	_, client := startFake(t)
	folder := t.TempDir()
	write(t, folder, map[string]string{"config.json": "{}", "pytorch_model.bin": "x"})
	if _, err := client.Upload(t.Context(), "sent", folder, false); !HasCode(err, "pickle_refused") {
		t.Errorf("error %v", err)
	}
	if _, err := client.Upload(t.Context(), "sent", filepath.Join(folder, "none"), false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := client.Upload(t.Context(), "sent", filepath.Join(folder, "config.json"), false); err == nil {
		t.Error("a file was taken for a folder")
	}
}

func TestAnExportAppearsWhole(t *testing.T) {
	fake, client := startFake(t)
	fake.exportChunks = []*athanorv1.FileChunk{
		{FileName: "config.json", Data: []byte("{}"), FileSizeBytes: 2},
		{FileName: "sub/model.safetensors", Data: []byte("abc"), FileSizeBytes: 5},
		{FileName: "sub/model.safetensors", OffsetBytes: 3, Data: []byte("de"), FileSizeBytes: 5},
		{FileName: "empty.txt"},
	}
	target := filepath.Join(t.TempDir(), "new", "folder")
	if err := client.Export(t.Context(), "x", target, athanorv1.ExportFormat_EXPORT_FORMAT_HF); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(target, "sub", "model.safetensors")); err != nil || string(content) != "abcde" {
		t.Errorf("content %q, error %v", content, err)
	}
	if err := client.Export(t.Context(), "x", target, athanorv1.ExportFormat_EXPORT_FORMAT_HF); err == nil {
		t.Error("a full folder was written to")
	}
}

func TestADamagedExportLeavesNothingBehind(t *testing.T) {
	chunk := func(name string, offset uint64, data string, size uint64) *athanorv1.FileChunk {
		return &athanorv1.FileChunk{FileName: name, OffsetBytes: offset, Data: []byte(data), FileSizeBytes: size}
	}
	good := chunk("a", 0, "ab", 2)
	for name, test := range map[string]struct {
		chunks []*athanorv1.FileChunk
		end    error
		code   string
	}{
		"a gap":               {[]*athanorv1.FileChunk{chunk("a", 0, "ab", 9), chunk("a", 3, "c", 9)}, nil, "bad_artefact"},
		"too much":            {[]*athanorv1.FileChunk{chunk("a", 0, "abc", 2)}, nil, "bad_artefact"},
		"cut short":           {[]*athanorv1.FileChunk{chunk("a", 0, "ab", 9)}, nil, "bad_artefact"},
		"twice":               {[]*athanorv1.FileChunk{good, chunk("b", 0, "", 0), good}, nil, "bad_artefact"},
		"nothing":             {nil, nil, "bad_artefact"},
		"outside":             {[]*athanorv1.FileChunk{chunk("../a", 0, "ab", 2)}, nil, "unsafe_file_name"},
		"absolute":            {[]*athanorv1.FileChunk{chunk("/a", 0, "ab", 2)}, nil, "unsafe_file_name"},
		"error of the server": {[]*athanorv1.FileChunk{good}, withDetails(codes.ResourceExhausted, "disk_full", "no space."), "disk_full"},
	} {
		t.Run(name, func(t *testing.T) {
			fake, client := startFake(t)
			fake.exportChunks, fake.exportError = test.chunks, test.end
			parent := t.TempDir()
			err := client.Export(t.Context(), "x", filepath.Join(parent, "out"), athanorv1.ExportFormat_EXPORT_FORMAT_HF)
			if !HasCode(err, test.code) {
				t.Errorf("error %v, wanted %s", err, test.code)
			}
			if left, _ := os.ReadDir(parent); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestRecipesTravelInEveryForm(t *testing.T) {
	fake, client := startFake(t)
	submit := func(recipe Recipe) *athanorv1.CompressSpec {
		t.Helper()
		if _, err := client.Compress(t.Context(), "teacher", CompressOptions{Name: "half", Recipe: recipe}); err != nil {
			t.Fatal(err)
		}
		return fake.spec.GetCompress()
	}
	steps := submit(Steps(&athanorv1.LowRank{Ratio: Ptr(0.5)}, &athanorv1.Quantize{Bits: Ptr[uint32](8)})).GetRecipe().GetSteps()
	if len(steps) != 2 || steps[0].GetLowRank().GetRatio() != 0.5 || steps[1].GetQuantize().GetBits() != 8 {
		t.Errorf("steps %v", steps)
	}
	if yaml := submit(RecipeYAML("steps: []")).GetRecipeYaml(); yaml != "steps: []" {
		t.Errorf("yaml %q", yaml)
	}
	if name := submit(RecipeName("default")).GetRecipeName(); name != "default" {
		t.Errorf("name %q", name)
	}
	for _, wrong := range []Recipe{Steps(&athanorv1.TextData{}), Steps((*athanorv1.LowRank)(nil)), Steps(nil)} {
		if _, err := client.Compress(t.Context(), "teacher", CompressOptions{Name: "half", Recipe: wrong}); !HasCode(err, "bad_recipe") {
			t.Errorf("error %v", err)
		}
	}
}

func TestGenerationIsCollectedByContinuation(t *testing.T) {
	fake, client := startFake(t)
	end := athanorv1.FinishReason_FINISH_REASON_LENGTH
	fake.pieces = []*athanorv1.GenerateResponse{
		{Index: 1, Text: "upon", TokenIds: []uint32{7}},
		{Index: 0, Text: "Once ", TokenIds: []uint32{1, 2}},
		{Index: 0, Text: "more", TokenIds: []uint32{3}, FinishReason: end, Usage: &athanorv1.Usage{GeneratedTokens: 3}},
		{Index: 1, Text: " a", TokenIds: []uint32{8}, FinishReason: end},
	}
	all, err := Collect(client.Generate(t.Context(), Prompt("x", "y")))
	if err != nil || len(all) != 2 || all[0].Text != "Once more" || all[1].Text != "upon a" || all[0].Usage.GetGeneratedTokens() != 3 {
		t.Errorf("%+v, error %v", all, err)
	}
	if !slices.Equal(all[0].TokenIDs, []uint32{1, 2, 3}) || all[1].FinishReason != end {
		t.Errorf("%+v", all)
	}
}

func TestLeavingAGenerationStopsItOnTheServer(t *testing.T) {
	fake, client := startFake(t)
	fake.endless, fake.pieces = true, []*athanorv1.GenerateResponse{{Text: "Once"}}
	for piece, err := range client.Generate(t.Context(), Prompt("x", "y")) {
		if err != nil || piece.GetText() != "Once" {
			t.Errorf("piece %v, error %v", piece, err)
		}
		break
	}
	select {
	case <-fake.left:
	case <-time.After(10 * time.Second):
		t.Error("the generation goes on")
	}
}

func TestAGenerationEndsWithItsContext(t *testing.T) {
	fake, client := startFake(t)
	fake.endless, fake.pieces = true, []*athanorv1.GenerateResponse{{Text: "Once"}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range client.Generate(ctx, Prompt("x", "y")) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("error %v", last)
	}
}

func TestClassifyEmbedAndFillMaskTravel(t *testing.T) {
	_, client := startFake(t)
	labels, err := client.Classify(t.Context(), "x", &athanorv1.TextPair{First: "good"}, &athanorv1.TextPair{First: "a", Second: Ptr("b")})
	if err != nil || labels.GetResults()[0].GetLabel() != "good" || labels.GetResults()[1].GetLabel() != "a/b" {
		t.Errorf("%v, error %v", labels, err)
	}
	vectors, err := client.Embed(t.Context(), "x", "ab", "c")
	if err != nil || len(vectors) != 2 || vectors[0].GetTokens() != 2 || vectors[0].GetTruncated() {
		t.Errorf("%v, error %v", vectors, err)
	}
	masks, err := client.FillMask(t.Context(), "x", 0, "[MASK]")
	if err != nil || len(masks) != 1 || masks[0].GetMasks()[0].GetCandidates()[0].GetTokenId() != 5 {
		t.Errorf("%v, error %v", masks, err)
	}
	if masks, err = client.FillMask(t.Context(), "x", 2, "[MASK]"); err != nil || masks[0].GetMasks()[0].GetCandidates()[0].GetTokenId() != 2 {
		t.Errorf("%v, error %v", masks, err)
	}
}

func TestAProgressLineHasTheKnownMetricsFirst(t *testing.T) {
	line := ProgressLine(&athanorv1.JobProgress{
		Phase: "distill", Step: 3, Total: 8, EtaMs: Ptr(12_400.0), Item: "h.1",
		Metrics: map[string]float64{"zeta": 1, "residentBytes": 2.5e6, "loss": 5.21437},
	})
	if line != "distill 3/8  loss=5.214 memory=2.5 MB zeta=1  h.1  12s left" {
		t.Errorf("line %q", line)
	}
}

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATokenGoesWithEveryCall(t *testing.T) {
	fake, _ := startFake(t)
	client := dial(t, fake.target, WithToken("secret"))
	if _, err := client.Model(t.Context(), "x"); err != nil && !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if shown := fake.authorization(); shown != "Bearer secret" {
		t.Errorf("authorization %q", shown)
	}
}

func TestATokenDoesNotLeaveThisMachineWithoutTLS(t *testing.T) {
	client := dial(t, "192.0.2.1:1", WithToken("secret"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := client.Models(ctx); err == nil {
		t.Error("a call went out")
	}
}
