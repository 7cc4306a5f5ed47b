// Package scenario is the language of the workbench: what fleet there is, how
// it is found, who calls it, what breaks when, and what must still be true
// afterwards. A scenario is a value; executors give it a world to run in.
//
// Files are YAML, decoded strictly: an unknown field, a wrong type, or a fault
// that could not happen is an error that names file, line and column and says
// how to fix it, and all errors of a file are reported at once.
package scenario
