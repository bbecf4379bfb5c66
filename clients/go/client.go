// The connection to a server: how it is set up, and the health of what is behind it.

// Package athanor is the Go client of athanor, the gRPC server that compresses, distills, evaluates and serves language models.
//
// Requests and results are the generated messages of package athanorv1; this package adds what a caller would otherwise write
// again: jobs that are followed over broken connections, streams as iterators, folders that travel in chunks, and typed errors.
//
//	server, err := athanor.Dial("127.0.0.1:8001")
//	...
//	defer server.Close()
//	job, err := server.Compress(ctx, "teacher", athanor.CompressOptions{
//		Name:   "half",
//		Recipe: athanor.Steps(&athanorv1.LowRank{Ratio: athanor.Ptr(0.5)}),
//	})
//	...
//	result, err := job.Wait(ctx, athanor.PrintProgress(os.Stderr))
package athanor

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"time"

	"athanor/client/gen/athanorv1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/local"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
)

// DefaultTarget is where `athanor serve` listens unless it is told otherwise.
const DefaultTarget = "127.0.0.1:8001"

// Client is a connection to one server. It may be used by many goroutines at once.
type Client struct {
	target     string
	reconnect  time.Duration
	connection *grpc.ClientConn
	models     athanorv1.ModelServiceClient
	jobs       athanorv1.JobServiceClient
	inference  athanorv1.InferenceServiceClient
	health     healthv1.HealthClient
}

// Option changes how [Dial] sets a client up.
type Option func(*settings)

type settings struct {
	credentials credentials.TransportCredentials
	token       string
	reconnect   time.Duration
	dial        []grpc.DialOption
}

// WithTLS encrypts the connection; without it the connection is plain.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) { s.credentials = credentials.NewTLS(config) }
}

// WithToken shows a token with every call, for servers that ask who calls. Without [WithTLS] it is sent to this machine only: a
// connection to another one fails.
func WithToken(token string) Option {
	return func(s *settings) { s.token = token }
}

// bearer puts a token into every call.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

// WithReconnect says how long the events of a job are asked for again after the connection dropped. Default: one minute.
func WithReconnect(longest time.Duration) Option {
	return func(s *settings) { s.reconnect = longest }
}

// WithDialOptions passes options of google.golang.org/grpc on, for example interceptors; they win over the client's own.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// Dial makes a client of the server at target ("host:port"). It connects at the first call; [Client.WaitUntilReady] waits for a
// server that is starting.
func Dial(target string, options ...Option) (*Client, error) {
	chosen := settings{reconnect: time.Minute}
	for _, option := range options {
		option(&chosen)
	}
	if chosen.credentials == nil {
		chosen.credentials = insecure.NewCredentials()
		if chosen.token != "" {
			chosen.credentials = local.NewCredentials()
		}
	}
	if chosen.token != "" {
		chosen.dial = append([]grpc.DialOption{grpc.WithPerRPCCredentials(bearer(chosen.token))}, chosen.dial...)
	}
	// A server that restarts is found again within seconds, not minutes.
	reconnecting := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}
	dial := append([]grpc.DialOption{
		grpc.WithTransportCredentials(chosen.credentials),
		// A model's parameter list or a long score list may pass grpc's 4 MiB; the server sets the limits.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnecting, MinConnectTimeout: 5 * time.Second}),
		// Finds a connection that vanished without a word while a job is watched. The timeout allows for a busy server.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: time.Minute}),
	}, chosen.dial...)
	connection, err := grpc.NewClient(target, dial...)
	if err != nil {
		return nil, &Error{Code: "invalid_argument", Status: codes.InvalidArgument, Message: fmt.Sprintf("[invalid_argument] %s: %v", target, err)}
	}
	return &Client{
		target:     target,
		reconnect:  chosen.reconnect,
		connection: connection,
		models:     athanorv1.NewModelServiceClient(connection),
		jobs:       athanorv1.NewJobServiceClient(connection),
		inference:  athanorv1.NewInferenceServiceClient(connection),
		health:     healthv1.NewHealthClient(connection),
	}, nil
}

// Close ends the connection. Jobs go on.
func (c *Client) Close() error { return c.connection.Close() }

// WaitUntilReady waits until the server accepts connections, or the context ends.
func (c *Client) WaitUntilReady(ctx context.Context) error {
	c.connection.Connect()
	for state := c.connection.GetState(); state != connectivity.Ready; state = c.connection.GetState() {
		if state == connectivity.Idle {
			c.connection.Connect()
		}
		if !c.connection.WaitForStateChange(ctx, state) {
			message := fmt.Sprintf("[unavailable] %s: no server answered in the time allowed.", c.target)
			return &Error{Code: "unavailable", Status: codes.Unavailable, Message: message, cause: ctx.Err()}
		}
	}
	return nil
}

// Healthy asks the standard health service whether the whole server (""), or one service by its full name, serves.
func (c *Client) Healthy(ctx context.Context, service string) (bool, error) {
	response, err := c.health.Check(ctx, &healthv1.HealthCheckRequest{Service: service})
	if err != nil {
		return false, callError(ctx, c.target, err)
	}
	return response.GetStatus() == healthv1.HealthCheckResponse_SERVING, nil
}

// Ptr gives the address of a value, for optional fields of messages: athanor.Ptr(0.5), athanor.Ptr[uint32](8).
func Ptr[T any](value T) *T { return &value }
