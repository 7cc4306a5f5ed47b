package channel

import "testing"

// The Go that we are built with does what attempts rely on. If this fails they
// still work, and cost more.
func TestPackageContextAsksItsParents(t *testing.T) {
	if cancelKey == nil {
		t.Error("package context no longer asks a parent's Value and AfterFunc: see abort.go")
	}
}
