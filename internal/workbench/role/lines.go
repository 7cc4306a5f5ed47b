package role

import (
	"encoding/json"
	"io"
	"sync"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// lines writes lines of the protocol from any goroutine.
type lines struct {
	mu  sync.Mutex // guards out
	out *json.Encoder
}

func newLines(w io.Writer) *lines { return &lines{out: json.NewEncoder(w)} }

func (l *lines) send(line protocol.Line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Encode(line)
}
