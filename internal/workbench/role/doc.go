// Package role holds the programs that run inside the lab's pods: a server of
// the example service, and a load program that hosts clients of one arm. Both
// take an order and report in the lines of package protocol.
package role
