package surefoot

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/serve"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A ClientOption configures [NewClient].
type ClientOption interface{ applyToClient(*clientConfig) }

// A ServerOption configures [NewServer].
type ServerOption interface{ applyToServer(*serverConfig) }

// An Option configures both.
type Option interface {
	ClientOption
	ServerOption
}

// shared is what clients and servers have in common.
type shared struct {
	sources     contract.Sources
	credentials credentials.TransportCredentials
	observers   []observe.Observer
	errs        []error
}

type clientConfig struct {
	shared
	dial   []grpc.DialOption
	unary  []grpc.UnaryClientInterceptor
	stream []grpc.StreamClientInterceptor

	zone      string
	ordinal   int                     // negative if unknown
	overrides contract.OverrideSource // none without a Parse
}

type serverConfig struct {
	shared
	options []grpc.ServerOption
	drain   time.Duration
}

type sharedOption func(*shared)

func (o sharedOption) applyToClient(c *clientConfig) { o(&c.shared) }
func (o sharedOption) applyToServer(c *serverConfig) { o(&c.shared) }

type clientOption func(*clientConfig)

func (o clientOption) applyToClient(c *clientConfig) { o(c) }

type serverOption func(*serverConfig)

func (o serverOption) applyToServer(c *serverConfig) { o(c) }

// WithService names the services that the channel is for, by their generated
// descriptors. Their contracts are checked at construction, and what they say
// of connections and balancing holds for the channel.
func WithService(services ...*grpc.ServiceDesc) Option {
	return sharedOption(func(s *shared) {
		for _, desc := range given(s, services, "WithService", "pass the generated descriptor, such as &inventoryv1.Inventory_ServiceDesc") {
			d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(desc.ServiceName))
			sd, ok := d.(protoreflect.ServiceDescriptor)
			if err != nil || !ok {
				s.errs = append(s.errs, fmt.Errorf("WithService: no .proto of the service %q is linked into this program: "+
					"import its generated code, or describe the service with WithContract", desc.ServiceName))
				continue
			}
			s.sources.Services = append(s.sources.Services, sd)
		}
	})
}

// WithServiceDescriptor is [WithService] for descriptors that are not in the
// global registry.
func WithServiceDescriptor(services ...protoreflect.ServiceDescriptor) Option {
	return sharedOption(func(s *shared) {
		services := given(s, services, "WithServiceDescriptor", "pass the descriptor, which ServiceDescriptors.ByName returns as nil for a name that the file does not have")
		s.sources.Services = append(s.sources.Services, services...)
	})
}

// WithContract gives the contracts of services whose .proto is not ours to
// change. Each stands, field by field, before what that .proto says. Whether a
// method may be repeated (idempotency_level) can only be given for a .proto that
// leaves it open: one with neither a level of its own nor options of Surefoot.
func WithContract(contracts ...*surefootv1.Contract) Option {
	return sharedOption(func(s *shared) {
		s.sources.Contracts = append(s.sources.Contracts, given(s, contracts, "WithContract", "pass the contract of a service, or leave it out")...)
	})
}

// WithContractFile is [WithContract] for contracts that were read from files,
// with contract/yaml.Read. What is wrong with them is reported with the line.
func WithContractFile(files ...*contract.File) Option {
	return sharedOption(func(s *shared) {
		s.sources.Files = append(s.sources.Files, given(s, files, "WithContractFile", "pass what contract/yaml.Read returns, after a look at its error")...)
	})
}

// WithHouseDefaults replaces, field by field, what a contract that says
// nothing means.
func WithHouseDefaults(defaults *surefootv1.Service) Option {
	return sharedOption(func(s *shared) { s.sources.House = defaults })
}

// WithTransportCredentials secures the connections. This or [WithInsecure] is
// required.
func WithTransportCredentials(creds credentials.TransportCredentials) Option {
	return sharedOption(func(s *shared) { s.credentials = creds })
}

// WithInsecure says that connections are neither encrypted nor authenticated.
func WithInsecure() Option { return WithTransportCredentials(insecure.NewCredentials()) }

// WithObserver adds hooks. Several observers are called in the order in which
// they were given.
func WithObserver(o *observe.Observer) Option {
	return sharedOption(func(s *shared) {
		if o != nil {
			s.observers = append(s.observers, *o)
		}
	})
}

// WithDialOptions adds grpc-go's own options. Interceptors among them run once
// per call; see [WithAttemptInterceptor] for once per attempt. Stats handlers,
// default call options, window and buffer sizes, the user agent, the authority,
// dialers and resolvers do what they do in grpc-go; a resolver for "dns"
// replaces Surefoot's, and its caches with it.
//
// What the contract decides, dial options do not. grpc-go keeps the last of two
// options for the same thing, and Surefoot's is the last, so that these have no
// effect, and since dial options are opaque they cannot be reported either:
//
//   - grpc.WithTransportCredentials and grpc.WithInsecure: use
//     [WithTransportCredentials] or [WithInsecure]. grpc.WithCredentialsBundle
//     is an error of [NewClient].
//   - grpc.WithDefaultServiceConfig, and service configs that a resolver finds:
//     the contract has deadlines, retries and balancing; for a service whose
//     .proto is not yours use [WithContract]. A target "xds:" brings its own.
//   - grpc.WithMaxCallAttempts: use retry.max_attempts of the contract.
//   - grpc.WithKeepaliveParams: use connection.keepalive_time_ms and
//     keepalive_timeout_ms of the contract.
//   - grpc.WithConnectParams, grpc.WithBackoffConfig and
//     grpc.WithBackoffMaxDelay: use connection.connect_timeout_ms of the
//     contract. How soon it connects again is not configurable.
//   - grpc.WithIdleTimeout: the client never goes idle, since it would forget
//     what it learnt of the endpoints. Close it when it is not needed.
//
// Values of the contract that hold for the whole program are given with
// [WithHouseDefaults].
func WithDialOptions(opts ...grpc.DialOption) ClientOption {
	return clientOption(func(c *clientConfig) {
		c.dial = append(c.dial, given(&c.shared, opts, "WithDialOptions", "leave it out")...)
	})
}

// WithAttemptInterceptor adds interceptors that run once per attempt, inside
// the loop that makes the attempts. Either may be nil. A unary one runs on the
// caller's goroutine: it must return when its context is done, or the call
// outlasts its deadline.
func WithAttemptInterceptor(unary grpc.UnaryClientInterceptor, stream grpc.StreamClientInterceptor) ClientOption {
	return clientOption(func(c *clientConfig) {
		if unary != nil {
			c.unary = append(c.unary, unary)
		}
		if stream != nil {
			c.stream = append(c.stream, stream)
		}
	})
}

// WithZone says which zone the client is in. Endpoints of the same zone are
// preferred if the resolver says theirs (package endpoint, WithZone), as far as the
// contract's balance.locality allows.
func WithZone(zone string) ClientOption {
	return clientOption(func(c *clientConfig) { c.zone = zone })
}

// WithProfile chooses a profile, a set of values that the contracts of the
// services declare under this name, such as "interactive" for a tool whose user
// waits, or "service" for what rides out a restart. It stands before what the
// contracts say of services and methods. A service that lacks the profile is
// called as without it; that none of them has it is an error of [NewClient].
func WithProfile(name string) ClientOption {
	return clientOption(func(c *clientConfig) {
		if name == "" {
			c.errs = append(c.errs, errors.New("WithProfile: the name is empty: give that of a profile, or leave the option out"))
		}
		c.sources.Profile = name
	})
}

// WithOverrides lets an operator change how methods are called while the client
// runs, without a reconnect: "retries off, now". The file is read when the
// client is made and then every second; contract/yaml.Overrides makes a source
// of a YAML file:
//
//	surefoot.WithOverrides(yaml.Overrides("/etc/surefoot/overrides.yaml"))
//
// A change is used for calls that start when two readings in a row agree on it,
// so within two seconds. A file that is wrong, or is gone, leaves those overrides
// in use that were; [observe.Observer.Override] tells of both. When the client is
// made, one that is wrong is an error and one that is not there is awaited.
func WithOverrides(source contract.OverrideSource) ClientOption {
	return clientOption(func(c *clientConfig) {
		if source.Parse == nil || source.Path == "" {
			c.errs = append(c.errs, errors.New("WithOverrides: there is no file: pass what contract/yaml.Overrides returns for its path"))
			return
		}
		c.overrides = source
	})
}

// WithOrdinal says that the client is the i-th of its kind, from 0 on, as a pod
// of a StatefulSet knows from its name. Clients that use a part of a large fleet
// (balance.subset of the contract) then spread over it more evenly. Without it
// the name of the host decides.
func WithOrdinal(i int) ClientOption {
	return clientOption(func(c *clientConfig) {
		if i < 0 {
			c.errs = append(c.errs, fmt.Errorf("WithOrdinal: %d: pass the number of the client among its kind, from 0 on, or leave it out", i))
		}
		c.ordinal = i
	})
}

// WithServerOptions adds grpc-go's own options of a server: interceptors,
// stats handlers, limits.
//
// Interceptors are given with grpc.ChainUnaryInterceptor and
// grpc.ChainStreamInterceptor, and run inside the server's own, in their order.
// grpc.UnaryInterceptor and grpc.StreamInterceptor are mistakes: grpc-go would run
// those first, and a call that the server then refuses as not executed is made
// again by its client.
func WithServerOptions(opts ...grpc.ServerOption) ServerOption {
	return serverOption(func(c *serverConfig) {
		opts := given(&c.shared, opts, "WithServerOptions", "leave it out")
		for _, o := range opts {
			if name := serve.Plain(o); name != "" {
				c.errs = append(c.errs, fmt.Errorf("WithServerOptions: grpc.%s would run before the server's own interceptors, "+
					"which recover from panics and refuse calls that are not to be executed: give it as grpc.Chain%[1]s", name))
			}
		}
		c.options = append(c.options, opts...)
	})
}

// WithDrainTimeout bounds how long a server that is asked to stop waits for
// the calls in flight. The default is 10 s, well inside the 30 s that
// Kubernetes grants.
func WithDrainTimeout(d time.Duration) ServerOption {
	return serverOption(func(c *serverConfig) {
		if d < time.Millisecond { // 10 without a unit is 10 ns
			c.errs = append(c.errs, fmt.Errorf("WithDrainTimeout: %v: give the calls in flight some time, such as 10*time.Second", d))
			return
		}
		c.drain = d
	})
}

// configureClient returns what opts say together.
func configureClient(opts []ClientOption) *clientConfig {
	cfg := &clientConfig{ordinal: -1}
	for _, o := range given(&cfg.shared, opts, "NewClient", "leave it out") {
		o.applyToClient(cfg)
	}
	return cfg
}

// configureServer returns what opts say together.
func configureServer(opts []ServerOption) *serverConfig {
	cfg := &serverConfig{drain: drainTimeout}
	for _, o := range given(&cfg.shared, opts, "NewServer", "leave it out") {
		o.applyToServer(cfg)
	}
	return cfg
}

// given returns those of args that are not nil, and reports the others as
// mistakes in s: of which list, which one, and what to do.
func given[T comparable](s *shared, args []T, list, remedy string) []T {
	var missing T
	rest := make([]T, 0, len(args))
	for i, a := range args {
		if a == missing {
			s.errs = append(s.errs, fmt.Errorf("%s: argument %d is nil: %s", list, i+1, remedy))
			continue
		}
		rest = append(rest, a)
	}
	return rest
}

// compile returns the contract that the options describe, or everything that
// is wrong with them.
func (s *shared) compile() (*contract.Table, error) {
	errs := s.errs
	if s.credentials == nil {
		errs = append(errs, errors.New("no credentials: add WithTransportCredentials(…), or WithInsecure() if the network is trusted"))
	}
	table, err := contract.Compile(s.sources)
	return table, errors.Join(append(errs, err)...)
}
