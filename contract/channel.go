package contract

import (
	"fmt"
	"strings"
	"time"

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

func (c *channelMerge) add(service protoreflect.FullName, source string, opts *surefootv1.Service, p *problems) {
	if opts == nil {
		return
	}
	at := place{source: source, service: string(service)}
	opts = proto.CloneOf(opts)
	opts.Defaults = nil // concerns methods, not the channel
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
	p.invalid(at, "", applyChannel(c.house, opts).Validate())
	overlay(c.said, opts)
}

func (c *channelMerge) result() policy.Channel { return applyChannel(c.house, c.said) }

// walk calls visit for each scalar, and each empty message, that m sets.
func walk(prefix string, m protoreflect.Message, visit func(path, value string)) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		path := strings.TrimPrefix(prefix+"."+string(fd.Name()), ".")
		if fd.Message() == nil || fd.IsList() || fd.IsMap() {
			visit(path, v.String())
			return true
		}
		if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
			visit(strings.TrimPrefix(prefix+"."+string(od.Name()), "."), string(fd.Name()))
		}
		walk(path, v.Message(), visit)
		return true
	})
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
	}
	return c
}

// setMillis sets d if ms is present. What does not fit a Duration is cut to a
// year of its sign, so that no range check passes it by overflow.
func setMillis(d *time.Duration, ms *int64) {
	if ms != nil {
		*d = time.Duration(min(max(*ms, -maxMillis), maxMillis)) * time.Millisecond
	}
}
