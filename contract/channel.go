package contract

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// channelMerge merges what the services of one channel say of it. Services
// agree, or say nothing, about each field.
type channelMerge struct {
	house policy.Channel
	said  *surefootv1.Service
	by    map[string]said // field path -> who said it first
}

type said struct {
	service protoreflect.FullName
	value   string
}

func newChannelMerge(house policy.Channel) *channelMerge {
	return &channelMerge{house: house, said: &surefootv1.Service{}, by: make(map[string]said)}
}

func (c *channelMerge) add(at place, opts *surefootv1.Service, p *problems) {
	if opts == nil {
		return
	}
	service := protoreflect.FullName(at.service)
	opts = proto.CloneOf(opts)
	opts.Defaults, opts.Profiles = nil, nil // concern methods, not the channel
	walk("", opts.ProtoReflect(), func(path, value string) {
		prev, ok := c.by[path]
		if !ok {
			c.by[path] = said{service, value}
			return
		}
		if prev.value != value {
			p.add(at, path, fmt.Sprintf("is %s, but %s, which shares the channel, says %s: "+
				"give both the same value, or make a client for each", value, prev.service, prev.value))
		}
	})
	if n := opts.GetBalance().GetSubset().GetSize(); n > 0 && opts.GetBalance().GetConsistentHash() != nil {
		p.add(at, "balance.subset.size", fmt.Sprintf("is %d, but consistent_hash uses all endpoints, since clients must agree about a key's, "+
			"so it could never take effect: set it to 0, or remove it", n))
	}
	p.invalid(at, "", applyChannel(c.house, opts).Validate(), c.house.Validate())
	overlay(c.said, opts)
}

// result returns what the services say together. Each may be right by itself
// and wrong with the others.
func (c *channelMerge) result(p *problems) policy.Channel {
	merged := applyChannel(c.house, c.said)
	if len(p.list) == 0 {
		p.invalid(place{source: "the services of this channel together"}, "", merged.Validate(), nil)
	}
	return merged
}

// ignored reports what opts say of a channel that exists already with other
// values: they are its connections' and its budget's, which do not change.
func ignored(channel policy.Channel, at place, opts *surefootv1.Service, p *problems) {
	opts = proto.CloneOf(opts)
	opts.Defaults, opts.Profiles = nil, nil // concern methods, not the channel
	if opts.GetConnection() != nil {
		opts.Connection.MaxAgeMs = nil // which servers read, and no client
	}
	walk("", opts.ProtoReflect(), func(path, value string) {
		alone := &surefootv1.Service{}
		if pick(alone.ProtoReflect(), opts.ProtoReflect(), strings.Split(path, ".")); applyChannel(channel, alone) != channel {
			p.add(at, path, fmt.Sprintf("is %s and ignored, because the channel exists already with another value: "+
				"name the service at construction with WithService", value))
		}
	})
}

// pick copies the field at path, of names, and none else. A path that ends in a
// oneof names no field.
func pick(to, from protoreflect.Message, path []string) {
	fd := from.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	switch {
	case fd == nil:
	case len(path) == 1:
		to.Set(fd, from.Get(fd))
	default:
		pick(to.Mutable(fd).Message(), from.Get(fd).Message(), path[1:])
	}
}

// walk calls visit for each scalar, and each choice of a oneof, that m sets.
func walk(prefix string, m protoreflect.Message, visit func(path, value string)) {
	for fd, v := range set(m) {
		path := strings.TrimPrefix(prefix+"."+string(fd.Name()), ".")
		if fd.Message() == nil {
			visit(path, v.String())
			continue
		}
		if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
			visit(strings.TrimPrefix(prefix+"."+string(od.Name()), "."), string(fd.Name()))
		}
		walk(path, v.Message(), visit)
	}
}

// applyChannel returns c with the fields that opts sets.
func applyChannel(c policy.Channel, opts *surefootv1.Service) policy.Channel {
	if b := opts.GetRetryBudget(); b != nil {
		if b.RatioPercent != nil {
			c.Budget.RatioPercent = int(b.GetRatioPercent())
		}
		if b.MinPerSecond != nil {
			c.Budget.MinPerSecond = int(b.GetMinPerSecond())
		}
		setMillis(&c.Budget.Window, b.WindowMs)
	}
	if n := opts.GetConnection(); n != nil {
		setMillis(&c.Connection.ConnectTimeout, n.ConnectTimeoutMs)
		setMillis(&c.Connection.KeepaliveTime, n.KeepaliveTimeMs)
		setMillis(&c.Connection.KeepaliveTimeout, n.KeepaliveTimeoutMs)
		setMillis(&c.Connection.TCPUserTimeout, n.TcpUserTimeoutMs)
		setMillis(&c.Connection.MaxAge, n.MaxAgeMs)
		assignInt(&c.Connection.MaxConnecting, n.MaxConnecting)
		setMillis(&c.Connection.Drain, n.DrainMs)
		assign(&c.Connection.SingleEndpoint, n.SingleEndpoint)
		applyLiveness(&c.Connection.Liveness, n.GetLiveness())
	}
	applyBalance(&c.Balance, opts.GetBalance())
	if d := opts.GetDiscovery(); d != nil {
		setMillis(&c.Discovery.MinTTL, d.MinTtlMs)
		setMillis(&c.Discovery.MaxTTL, d.MaxTtlMs)
		setMillis(&c.Discovery.MaxStale, d.MaxStaleMs)
		if d.MaxTtlMs == nil && c.Discovery.MaxTTL > 0 { // one that is set moves the other
			c.Discovery.MaxTTL = max(c.Discovery.MaxTTL, c.Discovery.MinTTL)
		}
	}
	return c
}

func applyLiveness(l *policy.Liveness, opts *surefootv1.Liveness) {
	if opts == nil {
		return
	}
	assign(&l.Off, opts.Off)
	assign(&l.DryRun, opts.DryRun)
	setMillis(&l.Silence, opts.SilenceMs)
	setMillis(&l.ProbeTimeout, opts.ProbeTimeoutMs)
	assignInt(&l.MaxPercent, opts.MaxPercent)
}

func applyBalance(b *policy.Balance, opts *surefootv1.Balance) {
	if opts == nil {
		return
	}
	switch p := opts.GetPolicy().(type) {
	case *surefootv1.Balance_RoundRobin:
		b.Picker = policy.RoundRobin
	case *surefootv1.Balance_LeastRequest:
		b.Picker = policy.LeastRequest
		assignInt(&b.Choices, p.LeastRequest.Choices)
	case *surefootv1.Balance_PeakEwma:
		b.Picker = policy.PeakEWMA
	case *surefootv1.Balance_ConsistentHash:
		b.Picker = policy.ConsistentHash
		assign(&b.HashHeader, p.ConsistentHash.Header)
		assignInt(&b.HashMaxLoadPercent, p.ConsistentHash.MaxLoadPercent)
	}
	if s := opts.GetSubset(); s != nil {
		assignInt(&b.SubsetSize, s.Size)
	}
	setMillis(&b.SlowStart, opts.SlowStartMs)
	assignInt(&b.PanicPercent, opts.PanicPercent)
	if l := opts.GetLocality(); l != nil {
		assignInt(&b.OverprovisioningPercent, l.OverprovisioningPercent)
	}
	if e := opts.GetEjection(); e != nil {
		applyEjection(&b.Ejection, e)
	}
}

func applyEjection(to *policy.Ejection, e *surefootv1.Ejection) {
	assign(&to.Off, e.Off)
	assign(&to.DryRun, e.DryRun)
	assignInt(&to.ConsecutiveFailures, e.ConsecutiveFailures)
	assignInt(&to.MinRequests, e.MinRequests)
	assignInt(&to.FailurePercent, e.FailurePercent)
	assignInt(&to.FailureDistance, e.FailureDistancePercent)
	assignInt(&to.LatencyPercent, e.LatencyPercent)
	setMillis(&to.LatencyFloor, e.LatencyFloorMs)
	setMillis(&to.Base, e.BaseMs)
	setMillis(&to.Max, e.MaxMs)
	assignInt(&to.MaxPercent, e.MaxPercent)
}

// assign sets what is present.
func assign[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func assignInt(to *int, from *int32) {
	if from != nil {
		*to = int(*from)
	}
}
