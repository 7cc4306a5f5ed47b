package main

import (
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/contract/yaml"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// contractOptions is the contract for the clients of a surefoot arm, of which
// document is a contract file; "" for one that says nothing.
func contractOptions(document string) ([]surefoot.ClientOption, error) {
	if document == "" {
		return nil, nil
	}
	file, err := yaml.Parse("the scenario", []byte(document))
	if err != nil {
		return nil, err
	}
	return []surefoot.ClientOption{surefoot.WithContractFile(file)}, nil
}

// checkContracts finds the mistakes of a scenario's contracts before anything
// runs, the same that a client would find.
func checkContracts(file string, s *scenario.Scenario) error {
	var errs []error
	checked := map[string]bool{"": true}
	for _, arm := range s.Arms {
		document := arm.Contract.Document()
		if !checked[document] {
			checked[document] = true
			errs = append(errs, checkContract(file, document))
		}
	}
	return errors.Join(errs...)
}

func checkContract(name, document string) error {
	file, err := yaml.Parse(name, []byte(document))
	if err != nil {
		return contractError{err.Error()}
	}
	_, err = contract.Compile(contract.Sources{
		Services: []protoreflect.ServiceDescriptor{inventoryv1.File_inventory_proto.Services().Get(0)},
		Files:    []*contract.File{file},
	})
	wrong, is := errors.AsType[*contract.Error](err)
	if !is {
		return err
	}
	var errs []error
	for _, p := range wrong.Problems {
		errs = append(errs, contractError{p.String()})
	}
	return errors.Join(errs...)
}

// contractError is a mistake in a contract; it begins with file:line:column.
type contractError struct{ text string }

func (e contractError) Error() string { return e.text }
