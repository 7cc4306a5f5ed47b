package protocol

import (
	"errors"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Outcome is how one call ended, as its caller saw it.
type Outcome struct {
	Issued  Instant
	Planned Instant // when it should have been issued
	Took    time.Duration
	Code    string // the name of the status code; "OK" when it succeeded
	Server  string // who answered a call that succeeded
	Key     int    // of the call, from 1; 0 for none
	Write   bool   // it changes something
	Name    string // of what it writes
	Sent    bool   // the headers of an attempt have left
	Says    bool   // it failed, and the error says that it may have been applied
}

// Recorder adds outcomes up to a Tally. Its methods may be called from any
// number of goroutines.
type Recorder struct {
	run      Go
	badAfter time.Duration

	mu      sync.Mutex // guards what follows
	tally   Tally
	latency *hdrhistogram.Histogram
	quiet   *hdrhistogram.Histogram // of calls before the first fault
	after   *hdrhistogram.Histogram // of those that come when clients should have reacted
}

// NewRecorder makes a recorder for one run. Calls that take badAfter or longer
// are bad even when they succeed.
func NewRecorder(run Go, badAfter time.Duration) *Recorder {
	return &Recorder{
		run:      run,
		badAfter: badAfter,
		tally:    newTally(),
		latency:  newHistogram(),
		quiet:    newHistogram(),
		after:    newHistogram(),
	}
}

// Counts says whether a call planned for t belongs to the measured part of the
// run. The plan decides, so that the number of calls does not depend on how late
// this machine is.
func (r *Recorder) Counts(t Instant) bool { return t >= r.run.From && t < r.run.Until }

// Add records one call; a call outside the measured part is ignored.
func (r *Recorder) Add(o Outcome) {
	if !r.Counts(o.Planned) {
		return
	}
	bad := o.Code != "OK" || o.Took >= r.badAfter
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.tally
	t.Calls++
	t.Failed.add(o)
	one := Goodput{Calls: 1}
	if o.Code == "OK" {
		one.OK = 1
		t.OK++
		t.Replies[o.Server]++
		if o.Key > 0 {
			t.key(o.Key).add(o.Server, o.Issued, o.Issued)
		}
	} else {
		t.Errors[o.Code]++
	}
	record(r.latency, o.Took)
	if !o.Write {
		t.Reads.add(one)
	}
	switch {
	case o.Planned < r.run.Quiet:
		t.Before.add(one)
	case r.run.Settled > 0 && o.Planned >= r.run.Settled:
		t.Settled.add(one)
	}
	switch {
	case o.Planned < r.run.Quiet:
		record(r.quiet, o.Took)
	case r.run.After > 0 && o.Planned >= r.run.After:
		record(r.after, o.Took)
	}
	t.MaxLag = max(t.MaxLag, o.Issued.Sub(o.Planned))
	slice := int(o.Planned.Sub(r.run.From) / r.run.Slice)
	for len(t.Slices) <= slice {
		t.Slices = append(t.Slices, Slice{})
	}
	t.Slices[slice].Calls++
	if bad {
		t.Bad++
		t.Slices[slice].Bad++
		t.LastBad = max(t.LastBad, o.Issued)
	}
}

// Attempt counts one stream that was begun for a call planned for t.
func (r *Recorder) Attempt(t Instant) {
	if !r.Counts(t) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.Attempts++
}

// Stream counts one attempt that goes to an address now.
func (r *Recorder) Stream(address string) {
	now := Now()
	if !r.Counts(now) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.Streams.add(address, int(now.Sub(r.run.From)/Beat))
}

// Ended notes that a connection to an address, on which the server answered
// last, has ended now.
func (r *Recorder) Ended(address, server string) {
	now := Now()
	if !r.Counts(now) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.Closed = append(r.tally.Closed, Closed{address, server, now})
}

// Progress says what has been counted so far.
func (r *Recorder) Progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Progress{Calls: r.tally.Calls, Failed: r.tally.Calls - r.tally.OK}
}

// Tally returns what was counted. Nothing may be added afterwards.
func (r *Recorder) Tally() (Tally, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs [3]error
	r.tally.Latency, errs[0] = compress(r.latency)
	r.tally.Quiet, errs[1] = compress(r.quiet)
	r.tally.After, errs[2] = compress(r.after)
	return r.tally, errors.Join(errs[:]...)
}
