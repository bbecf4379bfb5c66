// Events over dropped connections, waiting, errors of jobs and leaving them.

package athanor

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"athanor/client/gen/athanorv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	cut    = status.Error(codes.Unavailable, "Socket closed")
	broken = status.Error(codes.Internal, "Received RST_STREAM with error code 2")
)

func startJob(t *testing.T, client *Client) *Job[*athanorv1.CompressResult] {
	t.Helper()
	job, err := client.Compress(t.Context(), "teacher", CompressOptions{Name: "half", Recipe: Steps(&athanorv1.LowRank{Ratio: Ptr(0.5)})})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// endedJob has the events 1 to 7.
func endedJob(t *testing.T, fake *fakeServer, client *Client) *Job[*athanorv1.CompressResult] {
	t.Helper()
	job := startJob(t, client)
	fake.becomes(athanorv1.JobState_JOB_STATE_RUNNING)
	fake.works(3)
	fake.succeeds()
	return job
}

func sequences[R any](ctx context.Context, job *Job[R], from uint64) (found []uint64, err error) {
	for event, err := range job.Events(ctx, from) {
		if err != nil {
			return found, err
		}
		found = append(found, event.GetSequence())
	}
	return found, nil
}

func expectSequences(t *testing.T, job *Job[*athanorv1.CompressResult], from uint64, wanted ...uint64) {
	t.Helper()
	found, err := sequences(t.Context(), job, from)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(found, wanted) {
		t.Errorf("events %v, wanted %v", found, wanted)
	}
}

func TestEventsComeInOrderFromWhereTheyAreAskedForAndEndWithTheJob(t *testing.T) {
	fake, client := startFake(t)
	job := endedJob(t, fake, client)
	expectSequences(t, job, 0, 1, 2, 3, 4, 5, 6, 7)
	expectSequences(t, job, 6, 6, 7)
	expectSequences(t, job, 99)
}

func TestEveryEventComesExactlyOnceOverDroppedConnections(t *testing.T) {
	for name, how := range map[string]error{"cut": cut, "broken": broken, "ended in good order": nil} {
		t.Run(name, func(t *testing.T) {
			fake, client := startFake(t)
			job := endedJob(t, fake, client)
			fake.interruptions = []interruption{{2, how}, {0, how}, {3, how}}
			expectSequences(t, job, 0, 1, 2, 3, 4, 5, 6, 7)
			if watches := fake.watched(); !slices.Equal(watches, []uint64{1, 3, 3, 6}) {
				t.Errorf("watched from %v", watches)
			}
		})
	}
}

func TestEventsThatAServerSendsAgainAreLeftOut(t *testing.T) {
	fake, client := startFake(t)
	job := endedJob(t, fake, client)
	fake.repeatBefore = 2
	fake.interruptions = []interruption{{4, cut}}
	expectSequences(t, job, 0, 1, 2, 3, 4, 5, 6, 7)
}

func TestSequenceNumbersMayHaveGaps(t *testing.T) {
	fake, client := startFake(t)
	job := startJob(t, client)
	fake.happen(&athanorv1.JobEvent{Sequence: 9, Event: &athanorv1.JobEvent_Progress{Progress: &athanorv1.JobProgress{Phase: "p"}}})
	fake.succeeds()
	fake.interruptions = []interruption{{2, cut}}
	expectSequences(t, job, 0, 1, 9, 10, 11)
	if watches := fake.watched(); !slices.Equal(watches, []uint64{1, 10}) {
		t.Errorf("watched from %v", watches)
	}
}

func TestGivesUpWhenTheServerStaysAway(t *testing.T) {
	fake, client := startFake(t, WithReconnect(200*time.Millisecond))
	job := endedJob(t, fake, client)
	fake.interruptions = append([]interruption{{1, cut}}, slices.Repeat([]interruption{{0, cut}}, 50)...)
	found, err := sequences(t.Context(), job, 0)
	if !errors.Is(err, ErrUnavailable) || !slices.Equal(found, []uint64{1}) {
		t.Errorf("events %v, error %v", found, err)
	}
	if watches := fake.watched(); len(watches) < 3 {
		t.Errorf("watched from %v", watches)
	}
}

func TestAnErrorOfTheServerIsNotTakenForADroppedConnection(t *testing.T) {
	fake, client := startFake(t)
	job := endedJob(t, fake, client)
	fake.interruptions = []interruption{{2, withDetails(codes.Internal, "internal", "a defect, not RST_STREAM.")}}
	found, err := sequences(t.Context(), job, 0)
	if !HasCode(err, "internal") || len(found) != 2 || len(fake.watched()) != 1 {
		t.Errorf("events %v, error %v, watched from %v", found, err, fake.watched())
	}
	if _, err := client.Job(t.Context(), "nobody"); !HasCode(err, "job_not_found") {
		t.Errorf("error %v", err)
	}
}

func TestLeavingTheEventsLeavesTheJobAlone(t *testing.T) {
	fake, client := startFake(t)
	job := startJob(t, client)
	for range job.Events(t.Context(), 0) {
		break
	}
	fake.works(1)
	fake.succeeds()
	result, err := job.Wait(t.Context())
	if err != nil || result.GetModel().GetName() != "half" {
		t.Errorf("result %v, error %v", result, err)
	}
}

func TestWaitShowsProgressOnceAndKeepsTheResult(t *testing.T) {
	fake, client := startFake(t)
	job := endedJob(t, fake, client)
	fake.interruptions = []interruption{{4, cut}}
	var shown strings.Builder
	for range 2 {
		result, err := job.Wait(t.Context(), PrintProgress(&shown))
		if err != nil || result.GetModel().GetName() != "half" {
			t.Errorf("result %v, error %v", result, err)
		}
	}
	if wanted := "low rank 1/3  loss=0.5\nlow rank 2/3  loss=0.5\nlow rank 3/3  loss=0.5\n"; shown.String() != wanted {
		t.Errorf("shown: %q", shown.String())
	}
	if len(fake.watched()) != 2 {
		t.Errorf("watched from %v", fake.watched())
	}
}

func TestWaitReturnsTheJobsErrorWithItsCodeAndKind(t *testing.T) {
	fake, client := startFake(t)
	job := startJob(t, client)
	fake.fails("diverged", "distill: the loss is NaN at step 3. Lower the learning rate.", athanorv1.JobState_JOB_STATE_FAILED)
	_, err := job.Wait(t.Context())
	var failure *Error
	if !errors.As(err, &failure) || !errors.Is(err, ErrAborted) || !HasCode(err, "diverged") || failure.Details["step"] != "3" {
		t.Fatalf("error %#v", err)
	}
	if failure.Error() != "[diverged] distill: the loss is NaN at step 3. Lower the learning rate." {
		t.Errorf("message %q", failure)
	}
}

func TestCancelStopsTheJobAndWaitSaysSo(t *testing.T) {
	_, client := startFake(t)
	job := startJob(t, client)
	if info, err := job.Cancel(t.Context()); err != nil || info.GetState() != athanorv1.JobState_JOB_STATE_CANCELLED {
		t.Fatalf("job %v, error %v", info, err)
	}
	_, err := job.Wait(t.Context())
	if !errors.Is(err, ErrCancelled) || errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestWaitingEndsWithItsContextAndTheJobGoesOn(t *testing.T) {
	fake, client := startFake(t)
	job := startJob(t, client)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := job.Wait(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrDeadlineExceeded) || !strings.Contains(err.Error(), "It goes on") {
		t.Fatalf("error %v", err)
	}
	fake.succeeds()
	if _, err := job.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAContextThatEndsDuringAnOutageEndsTheWaiting(t *testing.T) {
	fake, client := startFake(t)
	job := startJob(t, client)
	fake.interruptions = slices.Repeat([]interruption{{0, cut}}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := job.Wait(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestEventsComeExactlyOnceWhenTheNetworkCutsTheConnection(t *testing.T) {
	fake, _ := startFake(t)
	proxy := startProxy(t, fake.target)
	job := startJob(t, dial(t, proxy.target))
	var found []uint64
	for event, err := range job.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, event.GetSequence())
		switch event.GetSequence() {
		case 1:
			proxy.cut()
			fake.becomes(athanorv1.JobState_JOB_STATE_RUNNING)
			fake.works(3)
		case 3:
			proxy.cut()
		case 5:
			proxy.cut()
			fake.succeeds()
		}
	}
	if !slices.Equal(found, []uint64{1, 2, 3, 4, 5, 6, 7}) || proxy.connections() < 2 {
		t.Errorf("events %v over %d connections", found, proxy.connections())
	}
}

// cuttableProxy forwards connections, which a test can cut as a network would; new ones are accepted as before.
type cuttableProxy struct {
	target string
	mutex  sync.Mutex
	open   []net.Conn
	count  int
}

func startProxy(t *testing.T, upstream string) *cuttableProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := &cuttableProxy{target: listener.Addr().String()}
	t.Cleanup(func() { listener.Close(); proxy.cut() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", upstream)
			if err != nil {
				client.Close()
				continue
			}
			proxy.mutex.Lock()
			proxy.open, proxy.count = append(proxy.open, client, server), proxy.count+1
			proxy.mutex.Unlock()
			go forward(client, server)
			go forward(server, client)
		}
	}()
	return proxy
}

func forward(from, to net.Conn) {
	buffer := make([]byte, 1<<16)
	for {
		count, err := from.Read(buffer)
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(buffer[:count]); err != nil {
			return
		}
	}
}

func (p *cuttableProxy) cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, connection := range p.open {
		// Linger 0 sends a reset in place of an orderly end.
		connection.(*net.TCPConn).SetLinger(0)
		connection.Close()
	}
	p.open = nil
}

func (p *cuttableProxy) connections() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.count
}
