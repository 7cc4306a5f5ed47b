package yaml

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/surefoot-rpc/surefoot/contract"
)

// MaxSize is the largest file that is read, in bytes. A contract of a hundred
// methods has a tenth of that.
const MaxSize = 256 << 10

// Read reads the contracts in the file of this name, for
// surefoot.WithContractFile. Its error is [Errors] if the file could be read
// and is wrong.
func Read(name string) (*contract.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("contract file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("contract file: %w", err)
	}
	return Parse(name, text)
}

// Parse returns the contracts in text, which messages call name, or [Errors].
func Parse(name string, text []byte) (*contract.File, error) {
	d := newDecoder(name, contractsKey, "a list with one element for each service")
	for _, node := range d.list(text) {
		d.contract(node)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.file, nil
}

// err returns all mistakes, in the order of the file; nil if there are none.
func (d *decoder) err() error {
	if len(d.errors) == 0 {
		return nil
	}
	slices.SortStableFunc(d.errors, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Position.Line, b.Position.Line), cmp.Compare(a.Position.Column, b.Position.Column))
	})
	return d.errors
}

// An Error is one mistake in a file.
type Error struct {
	Position contract.Position
	// Text says what is wrong and how to fix it.
	Text string
}

// Error returns file:line:column and the text.
func (e Error) Error() string { return e.Position.String() + ": " + e.Text }

// Errors are all mistakes in a file, in its order.
type Errors []Error

// Error returns one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}
