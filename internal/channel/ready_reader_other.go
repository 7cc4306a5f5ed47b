//go:build !linux

package channel

import "net"

func socketReaderOf(net.Conn) readyReader { return nil }
