// Package overrides watches the file in which an operator changes how methods are
// called while clients run.
package overrides

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A watcher reads a file of overrides again and again, and uses what is new in
// it. It looks at what the file holds and at nothing else: a mounted ConfigMap
// is replaced by a change of a symbolic link two levels up, editors rename or
// write in place, and network file systems tell of neither.
type watcher struct {
	Config

	last  []byte // what was read last
	used  []byte // what was decided on last, for good or bad
	err   string // why it could not be read, if so
	inUse int    // overrides
}

// interval is how often the file is read. A change takes effect when two
// readings agree on it: a file that is being written in place may be valid half
// way, and say the half.
const interval = time.Second

// Config says what is watched, and what is done with it.
type Config struct {
	// Source is the file.
	Source contract.OverrideSource
	// Compile returns the table of the channel with these overrides.
	Compile func(*contract.Overrides) (*contract.Table, error)
	// Use has the channel use a table for calls that start from now on.
	Use func(*contract.Table)
	// Tell is told of what was read. Its Target and File are not set.
	Tell func(observe.Override)
}

// Watch uses the overrides in a file from now on, and what becomes of them,
// until closing is closed. The error is that of a file that is there and is wrong:
// nothing is watched then.
func Watch(cfg Config, closing <-chan struct{}) error {
	w := &watcher{Config: cfg}
	if err := w.start(); err != nil {
		return err
	}
	go w.run(closing)
	return nil
}

// run watches until closing is closed.
func (w *watcher) run(closing <-chan struct{}) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-closing:
			return
		case <-t.C:
			w.look()
		}
	}
}

// start takes the file as it is. One that is not there is told, and is watched
// for: the operator's brake may come when it is needed. What is wrong with one
// that is there is the error of whoever makes the client.
func (w *watcher) start() error {
	text, err := w.read()
	if errors.Is(err, os.ErrNotExist) {
		w.failed(err)
		return nil
	}
	if err != nil {
		return err
	}
	w.last, w.used = text, text
	return w.apply(text)
}

// look reads the file once, and uses what two readings agree on. A file that
// cannot be read, or is wrong, leaves everything as it is.
func (w *watcher) look() {
	text, err := w.read()
	if err != nil {
		w.last, w.used = nil, nil // once it can be read again, that is told
		w.failed(err)
		return
	}
	w.err = ""
	settled := w.last != nil && bytes.Equal(text, w.last)
	w.last = text
	if !settled || w.used != nil && bytes.Equal(text, w.used) {
		return
	}
	w.used = text
	if err := w.apply(text); err != nil {
		w.refuse(err)
	}
}

// failed tells once why the file cannot be read.
func (w *watcher) failed(err error) {
	if err.Error() != w.err {
		w.err = err.Error()
		w.refuse(err)
	}
}

// refuse tells that what is in use stays.
func (w *watcher) refuse(err error) {
	w.Tell(observe.Override{InUse: w.inUse, Refused: true, Err: err})
}

// apply uses what text says, or returns what is wrong with it.
func (w *watcher) apply(text []byte) error {
	overrides, err := w.Source.Parse(w.Source.Path, text)
	if err != nil {
		return err
	}
	table, err := w.Compile(overrides)
	if err != nil {
		return err
	}
	w.Use(table)
	w.inUse = len(overrides.List)
	w.Tell(observe.Override{InUse: w.inUse, Err: table.Conflicts()})
	return nil
}

// read returns what the file holds, never nil. It does not follow it further
// than its size allows.
func (w *watcher) read() ([]byte, error) {
	if info, err := os.Stat(w.Source.Path); err == nil && !info.Mode().IsRegular() { // to open a pipe would wait for its writer
		return nil, fmt.Errorf("%s is no file: name the file of the overrides", w.Source.Path)
	}
	f, err := os.Open(w.Source.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, w.Source.MaxSize+1))
	if err == nil && int64(len(text)) > w.Source.MaxSize {
		err = fmt.Errorf("%s has more than %d bytes: shorten it", w.Source.Path, w.Source.MaxSize)
	}
	return text, err
}
