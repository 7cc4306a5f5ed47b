package contract

// Pending are the fields that are not implemented yet.
var Pending = pending
