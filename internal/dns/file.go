package dns

import (
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// A file is a parsed file that is read again when it has changed. The zero
// value is not usable; it may be used from any goroutine.
type file[T any] struct {
	path  string
	limit int64 // bytes that are read at most
	parse func(text string) T

	mu    sync.Mutex // guards what follows; the file is read under it
	read  bool
	stamp stamp
	value T
}

// A stamp tells whether a file has changed. Kubernetes replaces files behind a
// symbolic link and editors rename: both change the file that the path means.
type stamp struct {
	info fs.FileInfo
	size int64
	mod  time.Time
}

func (s stamp) same(info fs.FileInfo) bool {
	return s.info != nil && os.SameFile(s.info, info) && s.size == info.Size() && s.mod.Equal(info.ModTime())
}

// get returns what the file says now. A file that cannot be read keeps the last
// value; if it never could, the value is that of an empty file.
func (f *file[T]) get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && (!f.read || !f.stamp.same(info)) {
		if text, err := f.text(); err == nil {
			f.value, f.read = f.parse(text), true
			f.stamp = stamp{info, info.Size(), info.ModTime()}
		}
	}
	if !f.read {
		return f.parse("")
	}
	return f.value
}

func (f *file[T]) text() (string, error) {
	r, err := os.Open(f.path)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(r, f.limit))
	return string(b), err
}
