package lab

import (
	"fmt"
	"strings"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// describe says what a fault did.
func describe(f scenario.Fault) string {
	if f.Kind == scenario.BadDNS {
		return fmt.Sprintf("dns: %s", f.Reply)
	}
	how := ""
	if f.Kind == scenario.Slow {
		how = fmt.Sprintf(" %g ×", f.Factor)
	}
	if f.Kind == scenario.Answer {
		how = fmt.Sprintf(" %s to %d %% of calls", f.Code, f.Share)
	}
	if f.Kind == scenario.LoseReply {
		how = fmt.Sprintf(" of %d %% of calls", f.Share)
	}
	names := make([]string, len(f.Servers))
	for i, n := range f.Servers {
		names[i] = fmt.Sprint(n)
	}
	servers := "server " + names[0]
	if len(names) > 1 {
		servers = "servers " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s%s: %s", f.Kind, how, servers)
}
