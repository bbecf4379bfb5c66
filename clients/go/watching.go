// Following a job over dropped connections: pure bookkeeping.

package athanor

import (
	"errors"
	"io"
	"strings"
	"time"

	"athanor/client/gen/athanorv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	firstDelay   = 50 * time.Millisecond
	longestDelay = 2 * time.Second
)

// eventCursor is where a reader of a job's events is, across as many Watch calls as the connection needs.
//
// Invariant: next is one more than the newest event taken, so an event is taken at most once, and a new Watch from it leaves
// none out.
type eventCursor struct {
	next        uint64
	ended       bool
	reconnect   time.Duration
	outageBegan time.Time
	delay       time.Duration
}

// take tells whether the event is new.
func (c *eventCursor) take(event *athanorv1.JobEvent) bool {
	c.outageBegan, c.delay = time.Time{}, 0
	if event.GetSequence() < c.next {
		return false
	}
	c.next = event.GetSequence() + 1
	c.ended = hasEnded(event.GetState().GetState())
	return true
}

// delayAfter says how long to wait before watching again, or that this would not help, or has been tried for too long.
// Without an error, the server has ended the stream in good order though the job has not ended.
func (c *eventCursor) delayAfter(err error) (time.Duration, bool) {
	if err != nil && !connectionDropped(err) {
		return 0, false
	}
	now := time.Now()
	if c.outageBegan.IsZero() {
		c.outageBegan, c.delay = now, firstDelay
	}
	if now.Sub(c.outageBegan) > c.reconnect {
		return 0, false
	}
	delay := c.delay
	c.delay = min(2*c.delay, longestDelay)
	return delay, true
}

// connectionDropped tells whether the transport failed rather than the call: UNAVAILABLE, or a broken stream without a word from
// the server.
func connectionDropped(err error) bool {
	said, ok := status.FromError(err)
	if !ok {
		return false
	}
	switch said.Code() {
	case codes.Unavailable:
		return true
	case codes.Internal, codes.Unknown:
		text := strings.ToLower(said.Message())
		for _, broken := range []string{"rst_stream", "stream terminated", "connection reset", "goaway", "unexpected eof"} {
			if len(said.Details()) == 0 && strings.Contains(text, broken) {
				return true
			}
		}
	}
	return false
}

func hasEnded(state athanorv1.JobState) bool {
	switch state {
	case athanorv1.JobState_JOB_STATE_SUCCEEDED, athanorv1.JobState_JOB_STATE_FAILED, athanorv1.JobState_JOB_STATE_CANCELLED:
		return true
	}
	return false
}

// withoutEnd takes the end of a stream in good order for no error.
func withoutEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
