// A server on loopback that answers as a test tells it to.

package athanor

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"athanor/client/gen/athanorv1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// interruption ends a Watch call after so many events: with a status, or in good order.
type interruption struct {
	after int
	how   error
}

type fakeServer struct {
	athanorv1.UnimplementedInferenceServiceServer

	target string

	mutex         sync.Mutex
	events        []*athanorv1.JobEvent
	changed       chan struct{} // closed and renewed at every change of events
	spec          *athanorv1.JobSpec
	interruptions []interruption
	repeatBefore  uint64
	watches       []uint64 // from_sequence of every Watch call

	uploads      []*athanorv1.ModelServiceImportUploadRequest
	exportChunks []*athanorv1.FileChunk
	exportError  error
	pieces       []*athanorv1.GenerateResponse
	endless      bool
	shown        string        // the header authorization of the newest call
	left         chan struct{} // closed when an endless generation is cancelled
}

// startFake starts a server and a client of it.
func startFake(t *testing.T, options ...Option) (*fakeServer, *Client) {
	t.Helper()
	fake := &fakeServer{changed: make(chan struct{}), left: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		fake.mutex.Lock()
		fake.shown = strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), ",")
		fake.mutex.Unlock()
		return handle(ctx, request)
	}))
	athanorv1.RegisterModelServiceServer(server, fakeModels{fakeServer: fake})
	athanorv1.RegisterJobServiceServer(server, fakeJobs{fakeServer: fake})
	athanorv1.RegisterInferenceServiceServer(server, fake)
	healthv1.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	fake.target = listener.Addr().String()
	return fake, dial(t, fake.target, options...)
}

func dial(t *testing.T, target string, options ...Option) *Client {
	t.Helper()
	client, err := Dial(target, append([]Option{WithReconnect(10 * time.Second)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// withDetails is a status as the real server sends it.
func withDetails(code codes.Code, reason, message string, more ...protoadapt.MessageV1) error {
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: reason, Domain: "athanor", Metadata: map[string]string{"name": "x"}}}
	with, err := status.New(code, "["+reason+"] "+message).WithDetails(append(details, more...)...)
	if err != nil {
		panic(err)
	}
	return with.Err()
}

// happen appends an event with the next sequence number, or a later one.
func (f *fakeServer) happen(event *athanorv1.JobEvent) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if event.GetSequence() == 0 {
		event.Sequence = 1
		if len(f.events) > 0 {
			event.Sequence = f.events[len(f.events)-1].GetSequence() + 1
		}
	}
	event.JobId = "job-1"
	f.events = append(f.events, event)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeServer) becomes(state athanorv1.JobState) {
	f.happen(&athanorv1.JobEvent{Event: &athanorv1.JobEvent_State{State: &athanorv1.JobStateChange{State: state}}})
}

func (f *fakeServer) works(steps int) {
	for step := range steps {
		progress := &athanorv1.JobProgress{Phase: "low rank", Step: uint64(step + 1), Total: uint64(steps), Metrics: map[string]float64{"loss": 0.5}}
		f.happen(&athanorv1.JobEvent{Event: &athanorv1.JobEvent_Progress{Progress: progress}})
	}
}

func (f *fakeServer) succeeds() {
	result := &athanorv1.JobResult{Result: &athanorv1.JobResult_Compress{Compress: &athanorv1.CompressResult{Model: &athanorv1.ModelInfo{Name: "half"}}}}
	f.happen(&athanorv1.JobEvent{Event: &athanorv1.JobEvent_Result{Result: result}})
	f.becomes(athanorv1.JobState_JOB_STATE_SUCCEEDED)
}

func (f *fakeServer) fails(code, message string, state athanorv1.JobState) {
	failure := &athanorv1.JobError{Code: code, Message: message, Details: map[string]string{"step": "3"}}
	f.happen(&athanorv1.JobEvent{Event: &athanorv1.JobEvent_Error{Error: failure}})
	f.becomes(state)
}

// job is the job as it is now.
func (f *fakeServer) job() *athanorv1.JobInfo {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	info := &athanorv1.JobInfo{Id: "job-1"}
	for _, event := range f.events {
		info.LastSequence = event.GetSequence()
		if event.GetState() != nil {
			info.State = event.GetState().GetState()
		}
		if event.GetResult() != nil {
			info.Result = event.GetResult()
		}
		if event.GetError() != nil {
			info.Error = event.GetError()
		}
	}
	return info
}

func (f *fakeServer) authorization() string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.shown
}

func (f *fakeServer) watched() []uint64 {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return slices.Clone(f.watches)
}

type fakeJobs struct {
	athanorv1.UnimplementedJobServiceServer
	*fakeServer
}

func (f fakeJobs) Submit(_ context.Context, request *athanorv1.JobServiceSubmitRequest) (*athanorv1.JobServiceSubmitResponse, error) {
	f.mutex.Lock()
	f.spec = request.GetSpec()
	f.mutex.Unlock()
	if request.GetSpec().GetCompress().GetName() == "taken" {
		violation := &errdetails.BadRequest_FieldViolation{Field: "name", Description: "is taken"}
		bad := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{violation}}
		return nil, withDetails(codes.AlreadyExists, "name_taken", "job: the name is taken.", bad, &errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)})
	}
	f.becomes(athanorv1.JobState_JOB_STATE_QUEUED)
	return &athanorv1.JobServiceSubmitResponse{Job: f.job()}, nil
}

func (f fakeJobs) Get(_ context.Context, request *athanorv1.JobServiceGetRequest) (*athanorv1.JobServiceGetResponse, error) {
	if request.GetJobId() != "job-1" {
		return nil, withDetails(codes.NotFound, "job_not_found", "there is no such job.")
	}
	return &athanorv1.JobServiceGetResponse{Job: f.job()}, nil
}

func (f fakeJobs) Cancel(context.Context, *athanorv1.JobServiceCancelRequest) (*athanorv1.JobServiceCancelResponse, error) {
	f.fails("cancelled", "[cancelled] job: on request.", athanorv1.JobState_JOB_STATE_CANCELLED)
	return &athanorv1.JobServiceCancelResponse{Job: f.job()}, nil
}

func (f fakeJobs) Watch(request *athanorv1.JobServiceWatchRequest, stream grpc.ServerStreamingServer[athanorv1.JobServiceWatchResponse]) error {
	f.mutex.Lock()
	f.watches = append(f.watches, request.GetFromSequence())
	stop := interruption{after: -1}
	if len(f.interruptions) > 0 {
		stop, f.interruptions = f.interruptions[0], f.interruptions[1:]
	}
	wanted := request.GetFromSequence() - min(f.repeatBefore, request.GetFromSequence())
	f.mutex.Unlock()
	for position, sent := 0, 0; ; {
		f.mutex.Lock()
		events, changed := f.events, f.changed
		f.mutex.Unlock()
		if position == len(events) {
			if len(events) > 0 && hasEnded(events[len(events)-1].GetState().GetState()) {
				return nil
			}
			select {
			case <-changed:
			case <-stream.Context().Done():
				return stream.Context().Err()
			}
			continue
		}
		event := events[position]
		position++
		if event.GetSequence() < wanted {
			continue
		}
		if sent == stop.after {
			return stop.how
		}
		if err := stream.Send(&athanorv1.JobServiceWatchResponse{Event: event}); err != nil {
			return err
		}
		sent++
	}
}

type fakeModels struct {
	athanorv1.UnimplementedModelServiceServer
	*fakeServer
}

func (f fakeModels) Get(_ context.Context, request *athanorv1.ModelServiceGetRequest) (*athanorv1.ModelServiceGetResponse, error) {
	return nil, withDetails(codes.NotFound, "model_not_found", "store: there is no model \""+request.GetName()+"\".")
}

func (f fakeModels) ImportUpload(stream grpc.ClientStreamingServer[athanorv1.ModelServiceImportUploadRequest, athanorv1.ModelServiceImportUploadResponse]) error {
	for {
		part, err := stream.Recv()
		if err != nil {
			break
		}
		if strings.HasPrefix(part.GetChunk().GetFileName(), "refused") {
			return withDetails(codes.InvalidArgument, "bad_config", "refused.json: no.")
		}
		f.mutex.Lock()
		f.uploads = append(f.uploads, part)
		f.mutex.Unlock()
	}
	return stream.SendAndClose(&athanorv1.ModelServiceImportUploadResponse{Model: &athanorv1.ModelInfo{Name: f.uploads[0].GetHeader().GetName()}})
}

func (f fakeModels) Export(_ *athanorv1.ModelServiceExportRequest, stream grpc.ServerStreamingServer[athanorv1.ModelServiceExportResponse]) error {
	for _, chunk := range f.exportChunks {
		if err := stream.Send(&athanorv1.ModelServiceExportResponse{Chunk: chunk}); err != nil {
			return err
		}
	}
	return f.exportError
}

func (f *fakeServer) Generate(_ *athanorv1.GenerateRequest, stream grpc.ServerStreamingServer[athanorv1.GenerateResponse]) error {
	for _, piece := range f.pieces {
		if err := stream.Send(piece); err != nil {
			return err
		}
	}
	if f.endless {
		<-stream.Context().Done()
		close(f.left)
	}
	return nil
}

// Classify answers with the inputs as labels.
func (f *fakeServer) Classify(_ context.Context, request *athanorv1.ClassifyRequest) (*athanorv1.ClassifyResponse, error) {
	response := &athanorv1.ClassifyResponse{}
	for _, input := range request.GetInputs() {
		label := input.GetFirst()
		if input.Second != nil {
			label += "/" + input.GetSecond()
		}
		response.Results = append(response.Results, &athanorv1.Classification{Label: label})
	}
	return response, nil
}

// Embed takes every byte for a token.
func (f *fakeServer) Embed(_ context.Context, request *athanorv1.EmbedRequest) (*athanorv1.EmbedResponse, error) {
	response := &athanorv1.EmbedResponse{}
	for _, text := range request.GetTexts() {
		response.Embeddings = append(response.Embeddings, &athanorv1.Embedding{Tokens: uint32(len(text)), Truncated: request.Normalize != nil})
	}
	return response, nil
}

// FillMask answers with the number of candidates, 5 unless the request has one.
func (f *fakeServer) FillMask(_ context.Context, request *athanorv1.FillMaskRequest) (*athanorv1.FillMaskResponse, error) {
	topK := uint32(5)
	if request.TopK != nil {
		topK = request.GetTopK()
	}
	response := &athanorv1.FillMaskResponse{}
	for range request.GetTexts() {
		candidates := &athanorv1.MaskCandidates{Candidates: []*athanorv1.MaskCandidate{{TokenId: topK}}}
		response.Results = append(response.Results, &athanorv1.FilledMasks{Masks: []*athanorv1.MaskCandidates{candidates}})
	}
	return response, nil
}
