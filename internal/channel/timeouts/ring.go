package timeouts

// A ring holds links in the order of their ends: the place of one of them, or that
// of the ring itself, whose next is the first and whose prev the last.
type ring struct {
	prev, next *Link // nil if it is in no ring
}

// unlink takes k out. What is out leads nowhere, or who keeps one would keep those
// that came after it.
func (k *Link) unlink() {
	k.prev.next, k.next.prev = k.next, k.prev
	k.prev, k.next = nil, nil
}

// insert puts k behind at.
func (k *Link) insert(at *Link) {
	k.prev, k.next = at, at.next
	at.next.prev, at.next = k, k
}
