package surefoot

import (
	"fmt"
	"math/rand/v2"
	"os"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/internal/channel"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A Client is a gRPC channel that obeys the contract of the services behind
// it. It serves every generated stub, and everything else that takes a
// [grpc.ClientConnInterface]. It may be used from any goroutine.
type Client struct {
	*grpc.ClientConn
	channel *channel.Channel
}

// NewClient returns a client of target, "dns:///host:port" as for
// [grpc.NewClient], or "static:///host:port,host:port" for a list of endpoints. It connects when the first call is made, or on Connect.
//
// Everything that is wrong with the options and the contracts is reported
// here, all at once. Close the client when it is not needed any more.
func NewClient(target string, opts ...ClientOption) (*Client, error) {
	cfg := configureClient(opts)
	if err := channel.CheckTarget(target, len(cfg.dial) > 0); err != nil {
		cfg.errs = append(cfg.errs, err)
	}
	table, err := cfg.compile()
	if err != nil {
		return nil, fmt.Errorf("surefoot: client of %s: %w", target, err)
	}
	observer := observe.Join(cfg.observers...)
	ch := channel.New(channel.Config{
		Target:      target,
		Table:       table,
		Credentials: cfg.credentials,
		Observer:    observer,
		Unary:       cfg.unary,
		Stream:      cfg.stream,
		Dial:        cfg.dial,
		CallError:   newCallError,
		Random:      rand.Uint64,
		Zone:        cfg.zone,
		Name:        hostname(),
		Ordinal:     cfg.ordinal,
	})
	if cfg.overrides.Parse != nil {
		err := ch.Watch(cfg.overrides, func(o *contract.Overrides) (*contract.Table, error) {
			sources := cfg.sources
			sources.Overrides = o
			return contract.Compile(sources)
		})
		if err != nil {
			return nil, fmt.Errorf("surefoot: client of %s: overrides: %w", target, err)
		}
	}
	cc, err := grpc.NewClient(target, ch.DialOptions()...)
	if err != nil {
		ch.Close()
		return nil, fmt.Errorf("surefoot: client of %s: %w", target, err)
	}
	return &Client{ClientConn: cc, channel: ch}, nil
}

// hostname is what a client is told from others of its kind by: in Kubernetes,
// the name of its pod.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// Close closes the connections. Calls in flight end with CANCELLED and are not
// repeated.
func (c *Client) Close() error {
	c.channel.Close()
	return c.ClientConn.Close()
}
