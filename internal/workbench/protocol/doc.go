// Package protocol is what the lab and the programs inside its pods say to each
// other: orders go in as one JSON argument and one line on standard input,
// reports come back as lines of JSON on standard output.
//
// It exists so that the lab, which must judge from outside, and the load
// program, which must link the library under test, need not import each other.
package protocol
