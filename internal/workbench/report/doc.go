// Package report is what a run of scenarios found out: the same figures as JSON
// for machines and as a scoreboard for people. It knows nothing of how they
// came about.
package report
