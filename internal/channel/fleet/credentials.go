package fleet

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"

	"github.com/surefoot-rpc/surefoot/internal/channel/socket"
)

// transportCredentials wraps the user's credentials. It does three things that
// grpc-go offers no other place for: it is how the balancer, which grpc-go
// builds, finds its fleet (balancer.BuildOptions.DialCreds); it sets
// TCP_USER_TIMEOUT on the bare connection before the handshake, after grpc-go
// has set it to the keepalive time-out; and it gives the balancer the
// connection, to watch and to cut.
type transportCredentials struct {
	credentials.TransportCredentials
	fleet *Fleet
}

// Credentials returns the credentials by which grpc-go is to connect, and to build the
// balancer of the fleet.
func (f *Fleet) Credentials(c credentials.TransportCredentials) credentials.TransportCredentials {
	return &transportCredentials{c, f}
}

func (t *transportCredentials) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if err := socket.SetUserTimeout(conn, t.fleet.cfg.Policy.Connection.UserTimeout()); err != nil {
		t.fleet.cfg.Problem(err)
	}
	secure, info, err := t.TransportCredentials.ClientHandshake(ctx, authority, conn)
	if err != nil {
		return nil, nil, err
	}
	e, _ := credentials.ClientHandshakeInfoFromContext(ctx).Attributes.Value(endpointKey{}).(*Endpoint)
	if e == nil { // of another balancer
		return secure, info, nil
	}
	wire := socket.New(secure, conn)
	e.wire.Store(wire)
	return wire.Transport(), info, nil
}

func (t *transportCredentials) Clone() credentials.TransportCredentials {
	return &transportCredentials{t.TransportCredentials.Clone(), t.fleet}
}

// UsesXDS reports what the wrapped credentials say, which grpc-go's xDS
// resolver asks for by this method's name.
func (t *transportCredentials) UsesXDS() bool {
	x, ok := t.TransportCredentials.(interface{ UsesXDS() bool })
	return ok && x.UsesXDS()
}
