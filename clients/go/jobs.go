// Jobs: everything that takes long. They outlive the client that started them.

package athanor

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"athanor/client/gen/athanorv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Job is a job on the server whose result is an R. Losing this value, or the connection, does not stop it; Cancel does.
type Job[R any] struct {
	// ID finds the job again, from another program too: see [Client.Job].
	ID string

	client *Client
	result func(*athanorv1.JobResult) R

	mutex   sync.Mutex
	seen    uint64             // sequence number of the newest event that a Wait has taken
	outcome *athanorv1.JobInfo // what the events taken so far say of the end
}

// Submit starts a job of any kind from its message. Compress, Distill and Evaluate are easier where they do.
func (c *Client) Submit(ctx context.Context, spec *athanorv1.JobSpec) (*Job[*athanorv1.JobResult], error) {
	return submit(ctx, c, spec, func(result *athanorv1.JobResult) *athanorv1.JobResult { return result })
}

func submit[R any](ctx context.Context, c *Client, spec *athanorv1.JobSpec, result func(*athanorv1.JobResult) R) (*Job[R], error) {
	response, err := c.jobs.Submit(ctx, &athanorv1.JobServiceSubmitRequest{Spec: spec})
	if err != nil {
		return nil, callError(ctx, c.target, err)
	}
	return &Job[R]{ID: response.GetJob().GetId(), client: c, result: result}, nil
}

// Job finds a job of any kind by its id, to watch or to wait for.
func (c *Client) Job(ctx context.Context, id string) (*Job[*athanorv1.JobResult], error) {
	found := &Job[*athanorv1.JobResult]{ID: id, client: c, result: func(result *athanorv1.JobResult) *athanorv1.JobResult { return result }}
	if _, err := found.Status(ctx); err != nil {
		return nil, err
	}
	return found, nil
}

// Jobs lists at most limit jobs, newest first, in the given states only (all by default). 0 takes the server's limit, 100.
func (c *Client) Jobs(ctx context.Context, limit uint32, states ...athanorv1.JobState) ([]*athanorv1.JobInfo, error) {
	request := &athanorv1.JobServiceListRequest{States: states}
	if limit > 0 {
		request.Limit = &limit
	}
	response, err := c.jobs.List(ctx, request)
	return response.GetJobs(), callError(ctx, c.target, err)
}

// Status shows the job as it is now.
func (j *Job[R]) Status(ctx context.Context) (*athanorv1.JobInfo, error) {
	response, err := j.client.jobs.Get(ctx, &athanorv1.JobServiceGetRequest{JobId: j.ID})
	return response.GetJob(), callError(ctx, j.client.target, err)
}

// Cancel asks the job to stop, which it does within a second; a job that has ended stays as it is.
func (j *Job[R]) Cancel(ctx context.Context) (*athanorv1.JobInfo, error) {
	response, err := j.client.jobs.Cancel(ctx, &athanorv1.JobServiceCancelRequest{JobId: j.ID})
	return response.GetJob(), callError(ctx, j.client.target, err)
}

// Pause puts the job aside, with a checkpoint where it runs; it goes on when it is resumed.
func (j *Job[R]) Pause(ctx context.Context) (*athanorv1.JobInfo, error) {
	response, err := j.client.jobs.Pause(ctx, &athanorv1.JobServicePauseRequest{JobId: j.ID})
	return response.GetJob(), callError(ctx, j.client.target, err)
}

// Resume lets a paused job go on where it was.
func (j *Job[R]) Resume(ctx context.Context) (*athanorv1.JobInfo, error) {
	response, err := j.client.jobs.Resume(ctx, &athanorv1.JobServiceResumeRequest{JobId: j.ID})
	return response.GetJob(), callError(ctx, j.client.target, err)
}

// Retry submits a job that failed or was cancelled again: a new one, which goes on from its checkpoint unless it is to be fresh.
func (j *Job[R]) Retry(ctx context.Context, fresh bool) (*Job[R], error) {
	response, err := j.client.jobs.Retry(ctx, &athanorv1.JobServiceRetryRequest{JobId: j.ID, Fresh: fresh})
	if err != nil {
		return nil, callError(ctx, j.client.target, err)
	}
	return &Job[R]{ID: response.GetJob().GetId(), client: j.client, result: j.result}, nil
}

// Forget removes a job that has ended: its log, its result and the files that it left.
func (j *Job[R]) Forget(ctx context.Context) error {
	_, err := j.client.jobs.Forget(ctx, &athanorv1.JobServiceForgetRequest{JobId: j.ID})
	return callError(ctx, j.client.target, err)
}

// Wait waits for the job's end and returns its result, or the job's own error. Each observer is called with every event on the
// way that this job value has not waited for yet; [PrintProgress] makes one that draws a line of progress.
//
// When the context ends, so does the waiting; the job goes on.
func (j *Job[R]) Wait(ctx context.Context, observers ...func(*athanorv1.JobEvent)) (R, error) {
	var none R
	outcome, from := j.note(nil)
	if !hasEnded(outcome.GetState()) {
		for event, err := range j.Events(ctx, from) {
			if err != nil {
				return none, err
			}
			outcome, _ = j.note(event)
			for _, observe := range observers {
				observe(event)
			}
		}
	}
	if !hasEnded(outcome.GetState()) {
		var err error
		if outcome, err = j.Status(ctx); err != nil {
			return none, err
		}
	}
	switch {
	case outcome.GetResult() != nil:
		return j.result(outcome.GetResult()), nil
	case outcome.GetError() != nil:
		return none, jobFailure(outcome.GetError())
	case outcome.GetState() == athanorv1.JobState_JOB_STATE_CANCELLED:
		return none, jobFailure(&athanorv1.JobError{Code: "cancelled", Message: fmt.Sprintf("job %q: it was cancelled.", j.ID)})
	}
	return none, jobFailure(&athanorv1.JobError{Code: "internal", Message: fmt.Sprintf("job %q: it is %s without a result.", j.ID, outcome.GetState())})
}

// note takes an event into the outcome, and answers with the outcome so far and the next sequence number.
func (j *Job[R]) note(event *athanorv1.JobEvent) (*athanorv1.JobInfo, uint64) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	noted := &athanorv1.JobInfo{State: j.outcome.GetState(), Result: j.outcome.GetResult(), Error: j.outcome.GetError()}
	switch happened := event.GetEvent().(type) {
	case *athanorv1.JobEvent_State:
		noted.State = happened.State.GetState()
	case *athanorv1.JobEvent_Result:
		noted.Result = happened.Result
	case *athanorv1.JobEvent_Error:
		noted.Error = happened.Error
	}
	j.outcome, j.seen = noted, max(j.seen, event.GetSequence())
	return noted, j.seen + 1
}

// Events iterates over the job's events from a sequence number on (0 and 1: from the beginning), until it has ended.
//
// When the connection drops, the events are asked for again from where they broke off: each comes exactly once, in order. (The
// server may leave out progress events that newer ones replaced.) Breaking off the loop leaves the job alone. An error is the
// last thing that is yielded.
func (j *Job[R]) Events(ctx context.Context, from uint64) iter.Seq2[*athanorv1.JobEvent, error] {
	return func(yield func(*athanorv1.JobEvent, error) bool) {
		cursor := eventCursor{next: max(from, 1), reconnect: j.client.reconnect}
		for !cursor.ended {
			dropped, left := j.watchOnce(ctx, &cursor, yield)
			if left || cursor.ended || (dropped == nil && j.nothingAfter(ctx, cursor.next)) {
				return
			}
			delay, ok := cursor.delayAfter(dropped)
			if ok {
				select {
				case <-time.After(delay):
					continue
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil {
				said := status.FromContextError(ctx.Err())
				message := fmt.Sprintf("job %q: %s before it had ended. It goes on; wait again, or cancel it.", j.ID, said.Message())
				dropped = &Error{Status: said.Code(), Message: message, cause: ctx.Err()}
			} else if dropped == nil {
				message := fmt.Sprintf("[unavailable] job %q: the server keeps ending the stream of events. Try again later.", j.ID)
				dropped = &Error{Code: "unavailable", Status: codes.Unavailable, Message: message}
			}
			yield(nil, callError(ctx, j.client.target, dropped))
			return
		}
	}
}

// watchOnce passes the events of one Watch call on. It returns why the stream ended, nil for an end in good order, and whether
// the reader has left.
func (j *Job[R]) watchOnce(ctx context.Context, cursor *eventCursor, yield func(*athanorv1.JobEvent, error) bool) (dropped error, left bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := j.client.jobs.Watch(ctx, &athanorv1.JobServiceWatchRequest{JobId: j.ID, FromSequence: cursor.next})
	for err == nil {
		var response *athanorv1.JobServiceWatchResponse
		if response, err = stream.Recv(); err == nil && cursor.take(response.GetEvent()) && !yield(response.GetEvent(), nil) {
			return nil, true
		}
	}
	return withoutEnd(err), false
}

// nothingAfter tells whether the job ended before this sequence number, so that there is nothing left to watch.
func (j *Job[R]) nothingAfter(ctx context.Context, sequence uint64) bool {
	job, err := j.Status(ctx)
	return err == nil && hasEnded(job.GetState()) && job.GetLastSequence() < sequence
}
