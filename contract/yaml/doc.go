// Package yaml reads contracts from YAML files, for services whose .proto is
// not ours to change.
//
// A file holds the messages of surefoot/v1/options.proto, with the names of
// their fields as they stand there:
//
//	contracts:
//	  - service_name: etcdserverpb.KV
//	    methods:
//	      Range:
//	        idempotency_level: NO_SIDE_EFFECTS
//	        method: {deadline_ms: 1000, retry: {codes: [UNAVAILABLE]}}
//
// It is read strictly: what is unknown, stands twice or has the wrong type is an
// error with file, line and column, and all of them are reported at once. The
// values themselves are checked by surefoot.NewClient, which names their places
// in the file too.
//
// Who does not import this package compiles no YAML library.
package yaml
