// Package contract compiles what the owners of services declare in their
// .proto files, with the options of surefoot/v1/options.proto, into the values
// of package policy.
//
// One precedence holds everywhere: house default < service < method; a
// [surefootv1.Contract] that is given in Go stands in the place of the .proto.
// Each field inherits by itself. All mistakes are reported at once, each with
// the place where it was made and how to mend it.
package contract
