// Package socket asks the kernel about the bytes of a TCP connection, and tells it
// how long they may stay unacknowledged. It knows bare connections, as they were
// dialled, on Linux; of others it says that nothing is known, and leaves them alone.
package socket
