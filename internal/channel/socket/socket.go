// Package socket is the connections of a channel: what grpc-go reads and writes, with
// its bytes counted, and what the kernel knows of these bytes. The kernel is asked, and
// told how long they may stay unacknowledged, of bare connections, as they were dialled,
// on Linux; of others nothing is known, and they are left alone.
package socket
