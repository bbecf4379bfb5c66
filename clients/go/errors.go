// Errors: what a failed call or job says, with the server's code, status, values and field violations.

package athanor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"athanor/client/gen/athanorv1"
	"athanor/client/gen/errorcodes"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is every error that comes from the server, and those of calls that did not reach one.
//
// Its text is the server's: the place, the values and what to do. Compare kinds with [errors.Is] and the Err variables below,
// single codes with [HasCode]; [status.Code] of google.golang.org/grpc/status works on it too.
type Error struct {
	// Code of the server's error catalogue, for example "model_not_found"; empty where only gRPC spoke.
	Code string
	// Status of the call, or the one that stands for Code where a job failed.
	Status codes.Code
	// Message begins with the code in brackets where the server sent one.
	Message string
	// Details are the values behind the message.
	Details map[string]string
	// FieldViolations are the faults of the request, where the server lists them.
	FieldViolations []FieldViolation
	// RetryAfter is how long the server asks to wait; 0 where it does not.
	RetryAfter time.Duration

	cause error
}

// FieldViolation is one fault of a request.
type FieldViolation struct {
	// Field is the path in the request, for example "recipe.steps[0].lowRank.ratio".
	Field string
	// Description says what is wrong.
	Description string
}

// Kinds of errors, for [errors.Is]. A job that failed has the kind of its code.
var (
	ErrInvalidArgument    = &Error{Status: codes.InvalidArgument}
	ErrNotFound           = &Error{Status: codes.NotFound}
	ErrAlreadyExists      = &Error{Status: codes.AlreadyExists}
	ErrFailedPrecondition = &Error{Status: codes.FailedPrecondition}
	ErrResourceExhausted  = &Error{Status: codes.ResourceExhausted}
	ErrAborted            = &Error{Status: codes.Aborted}
	ErrDataLoss           = &Error{Status: codes.DataLoss}
	ErrCancelled          = &Error{Status: codes.Canceled}
	ErrDeadlineExceeded   = &Error{Status: codes.DeadlineExceeded}
	ErrUnavailable        = &Error{Status: codes.Unavailable}
	ErrUnsupported        = &Error{Status: codes.Unimplemented}
	ErrUnauthenticated    = &Error{Status: codes.Unauthenticated}
	ErrPermissionDenied   = &Error{Status: codes.PermissionDenied}
	ErrInternal           = &Error{Status: codes.Internal}
)

// Error is the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Status.String()
	}
	return e.Message
}

// Is tells whether the target is the kind of this error, or has its code.
func (e *Error) Is(target error) bool {
	kind, ok := target.(*Error)
	return ok && kind.Message == "" && (kind.Code == "" || kind.Code == e.Code) && kind.Status == e.Status
}

// Unwrap is the context's error where the caller's context ended the call.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus makes the functions of google.golang.org/grpc/status work on the error.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Status, e.Error()) }

// HasCode tells whether an error is, or wraps, an [Error] with this code of the server's catalogue.
func HasCode(err error, code string) bool {
	var found *Error
	return errors.As(err, &found) && found.Code == code
}

var codeInMessage = regexp.MustCompile(`^\[([a-z0-9_]+)\] `)

// callError turns the error of a gRPC call into an *Error; nil stays nil.
func callError(ctx context.Context, target string, err error) error {
	if err == nil {
		return nil
	}
	if already := (*Error)(nil); errors.As(err, &already) {
		return already
	}
	said, ok := status.FromError(err)
	if !ok {
		return err
	}
	found := &Error{Status: said.Code(), Message: said.Message(), Details: map[string]string{}}
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found.Code, found.Details = detail.GetReason(), detail.GetMetadata()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				found.FieldViolations = append(found.FieldViolations, FieldViolation{violation.GetField(), violation.GetDescription()})
			}
		case *errdetails.RetryInfo:
			found.RetryAfter = detail.GetRetryDelay().AsDuration()
		}
	}
	if match := codeInMessage.FindStringSubmatch(found.Message); found.Code == "" && match != nil {
		found.Code = match[1]
	}
	switch {
	case found.Code != "":
	case found.Status == codes.ResourceExhausted && strings.Contains(found.Message, "larger than max"):
		found.Code = "message_too_large"
	case found.Status == codes.Unavailable:
		found.Code = "unavailable"
		found.Message = fmt.Sprintf("[unavailable] %s: no athanor server answers (%s). Start one with `npx athanor serve`.", target, found.Message)
	}
	if found.Status == codes.Canceled || found.Status == codes.DeadlineExceeded {
		found.cause = ctx.Err()
	}
	return found
}

// jobFailure is the error of a job that failed or was cancelled.
func jobFailure(failure *athanorv1.JobError) *Error {
	known, ok := errorcodes.Status[failure.GetCode()]
	if !ok {
		known = codes.Unknown
	}
	message := failure.GetMessage()
	if prefix := "[" + failure.GetCode() + "] "; !strings.HasPrefix(message, prefix) {
		message = prefix + message
	}
	return &Error{Code: failure.GetCode(), Status: known, Message: message, Details: failure.GetDetails()}
}
