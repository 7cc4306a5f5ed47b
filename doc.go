// Package surefoot makes gRPC clients and servers that behave as the owner of
// the service declares in its .proto: deadlines, retries, balancing,
// keepalive. It stands on google.golang.org/grpc, which keeps the transport;
// Surefoot makes the decisions.
//
// # The path of a call
//
//	stub
//	 └─ the user's interceptors, once per call
//	     └─ the policy of the method: contract, narrowed by call options
//	         └─ the deadline: the shorter of the context's and the contract's
//	             └─ the breaker: a call that makes no sense is not made
//	                 └─ attempts: start · wait · another endpoint · done
//	                     └─ the user's interceptors, once per attempt
//	                         └─ grpc-go → picker → connection
//	                             = = = network = = =
//	                         recover → the user's interceptors → handler
//	                     ┌─ the verdict on the attempt, from facts
//	             ┌─ the breaker, observers
//	 reply, or the server's own error with the story attached
//
// The endpoints behind the picker change beside that path: DNS, when its TTL
// says so, and the connections publish immutable pickers. So does the policy, when
// an operator's overrides change.
//
// # What is repeated
//
// An attempt that provably never reached a handler is repeated for any method.
// One that may have is repeated only if the method's idempotency_level says
// that this does no harm, or if the call brings an idempotency key that the
// contract names. Not sure means not repeated.
package surefoot
