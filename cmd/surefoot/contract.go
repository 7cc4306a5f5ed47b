package main

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/contract/yaml"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// contractOptions is the contract for the clients of a surefoot arm, of which
// document is a contract file, and the profile that they choose; "" for one that
// says nothing, and for none.
func contractOptions(document, profile string) ([]surefoot.ClientOption, error) {
	var opts []surefoot.ClientOption
	if document != "" {
		file, err := yaml.Parse("the scenario", []byte(document))
		if err != nil {
			return nil, err
		}
		opts = append(opts, surefoot.WithContractFile(file))
	}
	if profile != "" {
		opts = append(opts, surefoot.WithProfile(profile))
	}
	return opts, nil
}

// checkContracts finds the mistakes of a scenario's contracts before anything
// runs, the same that a client would find.
func checkContracts(file string, s *scenario.Scenario) error {
	var errs []error
	said := map[string]bool{} // arms may share a contract, and its mistakes
	for _, arm := range s.Arms {
		if arm.Client != scenario.Surefoot {
			continue
		}
		for _, mistake := range mistakes(file, arm) {
			if !said[mistake.text] {
				said[mistake.text] = true
				errs = append(errs, mistake)
			}
		}
	}
	return errors.Join(errs...)
}

// mistakes lists those in the contract of an arm.
func mistakes(name string, arm scenario.Arm) []contractError {
	sources := contract.Sources{
		Services: []protoreflect.ServiceDescriptor{inventoryv1.File_inventory_proto.Services().Get(0)},
		Profile:  arm.Profile,
	}
	if document := arm.Contract.Document(); document != "" {
		file, err := yaml.Parse(name, []byte(document))
		if err != nil {
			return []contractError{{err.Error()}}
		}
		sources.Files = []*contract.File{file}
	}
	_, err := contract.Compile(sources)
	if err == nil {
		return nil
	}
	at := fmt.Sprintf("%s:%d: arm %s: ", name, arm.Line, arm.Name)
	wrong, is := errors.AsType[*contract.Error](err)
	if !is {
		return []contractError{{at + err.Error()}}
	}
	var found []contractError
	for _, p := range wrong.Problems {
		text := p.String()
		if !strings.HasPrefix(text, name+":") { // it stands nowhere in the file
			text = at + text
		}
		found = append(found, contractError{text})
	}
	return found
}

// contractError is a mistake in a contract; it begins with file:line:column.
type contractError struct{ text string }

func (e contractError) Error() string { return e.text }
