// Package lab plays scenarios on real processes, a real network and a real DNS
// server, without root and without tools of the system.
//
// Each arm of a scenario gets a world of its own: the program starts itself
// again, as the *keeper*, in new user, network, process and mount namespaces.
// The keeper gives itself addresses and a DNS server, starts one process per
// server and a few that call, strikes them when the timeline says so, and
// counts. When it ends, the kernel removes everything that was in its
// namespaces.
//
//	Lab (outer process)
//	 └─ keeper, process 1 of its namespaces: network, DNS, faults
//	     ├─ server 1 … n        package role
//	     └─ load programs       package role
//
// Where namespaces are refused, the same keeper works on loopback addresses of
// the machine, and scenarios with faults that need a network of their own are
// skipped.
package lab
