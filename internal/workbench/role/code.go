package role

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
)

// codeName is the name of a code in the gRPC specification, such as
// DEADLINE_EXCEEDED.
func codeName(c codes.Code) string {
	if name, ok := code.Code_name[int32(c)]; ok {
		return name
	}
	return fmt.Sprintf("CODE_%d", c)
}

// codeOf is the code of a name in the gRPC specification.
func codeOf(name string) codes.Code { return codes.Code(code.Code_value[name]) }
