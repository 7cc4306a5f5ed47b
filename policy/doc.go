// Package policy holds the compiled behaviour of a method and of a channel as
// plain comparable values, with their validation and their arithmetic.
//
// A contract is compiled into these values once, when a client or a server is
// made; from then on mechanisms read values and never a descriptor. Everything
// in this package may be used from any goroutine: values are copied.
package policy
