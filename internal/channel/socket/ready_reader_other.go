//go:build !linux

package socket

import "net"

func socketReaderOf(net.Conn) readyReader { return nil }
