package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxDatagram is the largest reply that is asked for over UDP: what fits any
// path without fragments (DNS Flag Day 2020). Larger ones come over TCP.
const maxDatagram = 1232

// An exchanger asks one server one question. It may be used from any goroutine.
type exchanger struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	rand io.Reader
}

// ask returns the server's reply to q. The error is an *Error whose Server is
// set; a server that answers with an error code is one too.
func (x *exchanger) ask(ctx context.Context, server string, q dnsmessage.Question, c conf) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := x.trip(ctx, server, q, true, c.tcp)
	if err == nil && (r.code == dnsmessage.RCodeFormatError || r.code == dnsmessage.RCodeNotImplemented) {
		// A server that is older than EDNS (RFC 6891 §7).
		r, err = x.trip(ctx, server, q, false, c.tcp)
	}
	if err == nil {
		err = r.check()
	}
	if err != nil {
		e := asError(err)
		e.Server, e.Name, e.Type = server, q.Name.String(), typeName(q.Type)
		return reply{}, e
	}
	return r, nil
}

// check returns an *Error if the reply has nothing of what was asked for.
func (r reply) check() error {
	switch {
	case r.code == dnsmessage.RCodeNameError:
		return &Error{Kind: NXDomain}
	case r.code == dnsmessage.RCodeRefused:
		return &Error{Kind: Refused}
	case r.code == dnsmessage.RCodeServerFailure:
		return &Error{Kind: ServFail}
	case r.code != dnsmessage.RCodeSuccess:
		return &Error{Kind: ServFail, Detail: fmt.Sprintf("response code %d", r.code)}
	case r.lame:
		return &Error{Kind: ServFail, Detail: "it refers to other servers: is it a recursive one?"}
	case len(r.addrs) > 0 || len(r.services) > 0:
		return nil
	case r.alias != "":
		return &Error{Kind: NoData, Detail: "it is an alias of " + r.alias + ", which has none in the reply"}
	default:
		return &Error{Kind: NoData}
	}
}

// trip goes to the server over UDP and, if the reply does not fit, over TCP
// (RFC 7766 §5).
func (x *exchanger) trip(ctx context.Context, server string, q dnsmessage.Question, edns, tcp bool) (reply, error) {
	if !tcp {
		r, err := x.over(ctx, "udp", server, q, edns)
		if err != nil || !r.truncated {
			return r, err
		}
	}
	r, err := x.over(ctx, "tcp", server, q, edns)
	if err != nil {
		return reply{}, err
	}
	if r.truncated {
		return reply{}, &Error{Kind: Malformed, Detail: "it is truncated, over TCP: a message has room for about 4,000 addresses or 800 services"}
	}
	return r, nil
}

func (x *exchanger) over(ctx context.Context, network, server string, q dnsmessage.Question, edns bool) (reply, error) {
	id, msg, err := x.query(q, edns)
	if err != nil {
		return reply{}, &Error{Kind: BadName, Err: err}
	}
	// A new socket for each question has a source port of its own, which is as
	// much for a forger to guess as the id (RFC 5452 §9.2); and a connected one
	// hears its server alone.
	conn, err := x.dial(ctx, network, server)
	if err != nil {
		return reply{}, ioError(ctx, err)
	}
	defer func() { _ = conn.Close() }() // whatever it had to say has been said
	// The context ends a read or a write by moving its deadline into the past.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "udp" {
		return exchangeDatagrams(ctx, conn, msg, id, q)
	}
	return exchangeStream(ctx, conn, msg, id, q)
}

// query returns a packed question with a random id, after two bytes of room for
// the length that TCP wants.
func (x *exchanger) query(q dnsmessage.Question, edns bool) (uint16, []byte, error) {
	var random [2]byte
	if _, err := io.ReadFull(x.rand, random[:]); err != nil {
		return 0, nil, fmt.Errorf("no random id: %w", err)
	}
	id := binary.BigEndian.Uint16(random[:])
	b := dnsmessage.NewBuilder(make([]byte, 2, 514), dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := b.StartQuestions(); err != nil {
		return 0, nil, err
	}
	if err := b.Question(q); err != nil {
		return 0, nil, err
	}
	if edns {
		if err := b.StartAdditionals(); err != nil {
			return 0, nil, err
		}
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(maxDatagram, dnsmessage.RCodeSuccess, false); err != nil {
			return 0, nil, err
		}
		if err := b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
			return 0, nil, err
		}
	}
	msg, err := b.Finish()
	return id, msg, err
}

// maxIgnored is how many datagrams that do not answer the question mean that
// somebody is guessing the id.
const maxIgnored = 100

// exchangeDatagrams ignores whatever does not answer the question, as a forged
// datagram does not, and reads on until the time is up. When there are too many of
// them the reply is one that must be asked for over TCP (RFC 5452 §9.3).
func exchangeDatagrams(ctx context.Context, conn net.Conn, msg []byte, id uint16, q dnsmessage.Question) (reply, error) {
	if _, err := conn.Write(msg[2:]); err != nil {
		return reply{}, ioError(ctx, err)
	}
	buf := make([]byte, maxDatagram+1)
	ignored := 0
	for {
		n, err := conn.Read(buf)
		if err != nil {
			e := ioError(ctx, err)
			if ignored > 0 {
				e.Detail = fmt.Sprintf("%d datagrams were ignored, which do not answer the question", ignored)
			}
			return reply{}, e
		}
		if n > maxDatagram {
			// More than was asked for, and cut off: it counts as truncated if it is
			// ours at all. The bit is set so that the rest is not read.
			buf[2] |= 0x02
		}
		r, err := parseReply(buf[:n], id, q)
		if errors.Is(err, errNotOurs) {
			if ignored++; ignored == maxIgnored {
				return reply{truncated: true}, nil
			}
			continue
		}
		if err != nil {
			return reply{}, &Error{Kind: Malformed, Err: err}
		}
		return r, nil
	}
}

// exchangeStream sends and reads one message with its length before it (RFC
// 1035 §4.2.2), which bounds it to 65,535 bytes.
func exchangeStream(ctx context.Context, conn net.Conn, msg []byte, id uint16, q dnsmessage.Question) (reply, error) {
	binary.BigEndian.PutUint16(msg, uint16(len(msg)-2)) // a query is shorter than 512 bytes
	if _, err := conn.Write(msg); err != nil {
		return reply{}, ioError(ctx, err)
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return reply{}, ioError(ctx, err)
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return reply{}, ioError(ctx, err)
	}
	r, err := parseReply(buf, id, q)
	if err != nil {
		return reply{}, &Error{Kind: Malformed, Err: err}
	}
	return r, nil
}

// ioError returns err as what it means for the look-up.
func ioError(ctx context.Context, err error) *Error {
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Kind: Timeout, Err: ctx.Err()}
	}
	return &Error{Kind: Network, Err: err}
}

func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Network, Err: err}
}

func typeName(t dnsmessage.Type) string {
	switch t {
	case dnsmessage.TypeAAAA:
		return "AAAA"
	case dnsmessage.TypeSRV:
		return typeSRV
	default:
		return "A"
	}
}
