package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
)

// resultsFile is where the JSON of a run goes. It is opened before the run, so
// that a wrong path does not cost one, and what it held stays until the run has
// ended.
type resultsFile struct {
	file    *os.File
	created bool
}

func openResults(path string) (*resultsFile, error) {
	_, err := os.Stat(path)
	created := errors.Is(err, os.ErrNotExist)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644) //nolint:gosec // results are for everybody, at the path that the user names
	if err != nil {
		return nil, fmt.Errorf("--json: %w", err)
	}
	return &resultsFile{file, created}, nil
}

// write replaces what the file held.
func (r *resultsFile) write(results []report.Scenario) error {
	if info, err := r.file.Stat(); err == nil && info.Mode().IsRegular() { // nothing else can be cut
		if err := r.file.Truncate(0); err != nil {
			return errors.Join(err, r.file.Close())
		}
	}
	return errors.Join(report.WriteJSON(r.file, results), r.file.Close())
}

// abandon leaves the path as it was found.
func (r *resultsFile) abandon() error {
	err := r.file.Close()
	if r.created {
		err = errors.Join(err, os.Remove(r.file.Name()))
	}
	return err
}
