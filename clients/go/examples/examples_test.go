// The examples and the calls of the client, against the real server.

package examples

import (
	"bufio"
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	athanor "athanor/client"
	"athanor/client/gen/athanorv1"
)

var (
	root, _   = filepath.Abs(filepath.Join("..", "..", ".."))
	command   = filepath.Join(root, "src", "cli", "athanor.js")
	model     = filepath.Join(root, "test", "fixtures", "models", "wiki-gpt2-7m")
	trainText = filepath.Join(root, "test", "fixtures", "text", "distill.txt")
	heldOut   = filepath.Join(root, "test", "fixtures", "text", "evaluate.txt")
)

// startServer starts the real server on a free port with a store of its own, or skips where it cannot run.
func startServer(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("the real server cannot start: node is not installed")
	}
	for _, path := range []string{command, filepath.Join(root, "node_modules", "tsx"), model, trainText, heldOut} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("the real server cannot start: %v", err)
		}
	}
	server := exec.Command(node, command, "serve", "--listen", "127.0.0.1:0", "--store", t.TempDir())
	server.Dir = root
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		killer := time.AfterFunc(20*time.Second, func() { server.Process.Kill() })
		defer killer.Stop()
		server.Wait()
	})
	address := make(chan string, 1)
	go func() {
		defer close(address)
		// Reads on to the end, so that the server never blocks on a full pipe.
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if found := regexp.MustCompile(`athanor serves .* on (127\.0\.0\.1:\d+)$`).FindStringSubmatch(lines.Text()); found != nil {
				address <- found[1]
			}
		}
	}()
	select {
	case target, ok := <-address:
		if !ok {
			t.Fatal("the server ended without naming its address")
		}
		return target
	case <-time.After(2 * time.Minute):
		t.Fatal("the server named no address")
	}
	return ""
}

// build compiles all examples into one folder.
func build(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	// No symbol tables: linking is most of the time.
	if output, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", folder, "./...").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return folder
}

func TestTheExamplesAgainstTheRealServer(t *testing.T) {
	target, folder := startServer(t), build(t)
	run := func(name string, arguments ...string) (output, progress string) {
		t.Helper()
		var out, progressed strings.Builder
		example := exec.Command(filepath.Join(folder, name), append([]string{"-server", target}, arguments...)...)
		example.Stdout, example.Stderr = &out, &progressed
		if err := example.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, progressed.String())
		}
		return out.String(), progressed.String()
	}
	expect := func(text, pattern string) {
		t.Helper()
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("%q does not match %s", text, pattern)
		}
	}

	output, _ := run("import", model)
	expect(output, `^teacher version 1: gpt2, 6967296 parameters, \d+ bytes stored\n$`)

	output, progress := run("compress", "-sequences", "8", trainText)
	expect(output, `(?s)^lowRank: \d+ bytes -> \d+ bytes\nhalf: \d+ matrices changed, \d+ bytes stored\n$`)
	expect(progress, `(?m)^low rank \d+/\d+`)

	output, progress = run("distill", "-steps", "4", "-batch", "2", "-length", "32", trainText)
	expect(output, `^student: 4 steps, last loss \d+\.\d+\n$`)
	expect(progress, `(?m)^distill \d/4  loss=\d`)

	text, err := os.ReadFile(heldOut)
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short.txt")
	if err := os.WriteFile(short, text[:4000], 0o600); err != nil {
		t.Fatal(err)
	}
	output, _ = run("evaluate", "-window", "64", short, "half", "student")
	expect(output, `(?m)^half +\d+ +\d\.\d{4} +\d+\.\d%$`)
	expect(output, `(?m)^student +\d+ +\d\.\d{4} +\d+\.\d%$`)

	output, usage := run("generate", "-tokens", "8", "The city of")
	expect(output, `^The city of[^\n]+`)
	expect(usage, `8 tokens, the first after \d+ ms`)

	if refused, err := exec.Command(filepath.Join(folder, "generate"), "-server", target, "-model", "nobody", "x").CombinedOutput(); err == nil ||
		!strings.Contains(string(refused), "[model_not_found] ") {
		t.Errorf("error %v, output %s", err, refused)
	}
	theCalls(t, target)
}

// theCalls checks what no example shows, on the models that the examples made.
func theCalls(t *testing.T, target string) {
	ctx := t.Context()
	server, err := athanor.Dial(target)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if healthy, err := server.Healthy(ctx, ""); err != nil || !healthy {
		t.Errorf("healthy %v, error %v", healthy, err)
	}
	models, err := server.Models(ctx)
	if err != nil || len(models) != 3 {
		t.Errorf("%d models, error %v", len(models), err)
	}

	ids, err := server.Tokenize(ctx, "teacher", "Grüße, 世界")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := server.Detokenize(ctx, "teacher", ids); err != nil || text != "Grüße, 世界" {
		t.Errorf("text %q, error %v", text, err)
	}

	request := athanor.Prompt("teacher", "The city of")
	request.MaxNewTokens = athanor.Ptr[uint32](1)
	likely, err := athanor.Collect(server.Generate(ctx, request))
	if err != nil || len(likely) != 1 || len(likely[0].TokenIDs) != 1 {
		t.Fatalf("%+v, error %v", likely, err)
	}
	scores, err := server.Score(ctx, "teacher",
		&athanorv1.ScorePair{Context: "The city of", Continuation: likely[0].Text},
		&athanorv1.ScorePair{Context: "The city of", Continuation: " xylophone"})
	if err != nil {
		t.Fatal(err)
	}
	if !scores[0].GetIsGreedy() || scores[1].GetLogLikelihood() >= scores[0].GetLogLikelihood() || math.IsNaN(scores[1].GetLogLikelihood()) {
		t.Errorf("scores %v", scores)
	}

	folder := filepath.Join(t.TempDir(), "exported")
	if err := server.Export(ctx, "student", folder, athanorv1.ExportFormat_EXPORT_FORMAT_HF); err != nil {
		t.Fatal(err)
	}
	again, err := server.Upload(ctx, "again", folder, false)
	if err != nil || again.GetLogicalParameters() != 6_967_296 {
		t.Fatalf("model %v, error %v", again, err)
	}
	if _, err := server.Upload(ctx, "again", folder, false); !errors.Is(err, athanor.ErrAlreadyExists) {
		t.Errorf("error %v", err)
	}
	if err := server.Delete(ctx, "again"); err != nil {
		t.Error(err)
	}
	if _, err := server.Model(ctx, "again"); !athanor.HasCode(err, "model_not_found") {
		t.Errorf("error %v", err)
	}

	_, err = server.Compress(ctx, "teacher", athanor.CompressOptions{Name: "x", Recipe: athanor.Steps(&athanorv1.LowRank{Ratio: athanor.Ptr(2.0)})})
	var refused *athanor.Error
	if !errors.As(err, &refused) || refused.Code != "bad_recipe" || !errors.Is(err, athanor.ErrInvalidArgument) || len(refused.FieldViolations) != 1 {
		t.Errorf("error %#v", err)
	}

	endless, err := server.Distill(ctx, &athanorv1.DistillSpec{
		Student: "teacher", Name: "endless", Data: athanor.TextFiles(trainText),
		Settings: &athanorv1.DistillSettings{Steps: athanor.Ptr[uint32](100_000), BatchSize: athanor.Ptr[uint32](1), SequenceLength: athanor.Ptr[uint32](16)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for event, err := range endless.Events(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if event.GetProgress().GetMetrics()["loss"] > 0 {
			break
		}
	}
	found, err := server.Job(ctx, endless.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := found.Cancel(ctx); err != nil {
		t.Error(err)
	}
	if _, err := found.Wait(ctx); !errors.Is(err, athanor.ErrCancelled) || errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	jobs, err := server.Jobs(ctx, 1, athanorv1.JobState_JOB_STATE_CANCELLED)
	if err != nil || len(jobs) != 1 || jobs[0].GetId() != endless.ID {
		t.Errorf("jobs %v, error %v", jobs, err)
	}

	retried, err := endless.Retry(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := retried.Pause(ctx); err != nil {
		t.Error(err)
	}
	for info, err := retried.Status(ctx); info.GetState() != athanorv1.JobState_JOB_STATE_PAUSED; info, err = retried.Status(ctx) {
		if err != nil || info.GetRetryOf() != endless.ID {
			t.Fatalf("job %v, error %v", info, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if info, err := retried.Resume(ctx); err != nil || info.GetState() != athanorv1.JobState_JOB_STATE_QUEUED {
		t.Errorf("job %v, error %v", info, err)
	}
	if _, err := retried.Cancel(ctx); err != nil {
		t.Error(err)
	}
	if _, err := retried.Wait(ctx); !errors.Is(err, athanor.ErrCancelled) {
		t.Errorf("error %v", err)
	}
	if err := retried.Forget(ctx); err != nil {
		t.Error(err)
	}
	if _, err := retried.Status(ctx); !athanor.HasCode(err, "job_not_found") {
		t.Errorf("error %v", err)
	}
}
