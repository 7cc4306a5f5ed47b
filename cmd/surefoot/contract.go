package main

import (
	"fmt"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// labContract reads what a scenario's contract says of the lab's service; nil
// when it says nothing.
func labContract(text string) (*surefootv1.Contract, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no contract is no mistake
	}
	var service surefootv1.Service
	if err := prototext.Unmarshal([]byte(text), &service); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return &surefootv1.Contract{ServiceName: inventoryv1.Inventory_ServiceDesc.ServiceName, Service: &service}, nil
}

// contractOptions is the contract for the clients of the surefoot arm.
func contractOptions(text string) ([]surefoot.ClientOption, error) {
	c, err := labContract(text)
	if c == nil || err != nil {
		return nil, err
	}
	return []surefoot.ClientOption{surefoot.WithContract(c)}, nil
}

// checkContract finds the mistakes of a scenario's contract before anything
// runs, the same that a client would find.
func checkContract(file string, given scenario.Contract) error {
	c, err := labContract(given.Text)
	if c != nil && err == nil {
		_, err = contract.Compile(contract.Sources{
			Services:  []protoreflect.ServiceDescriptor{inventoryv1.File_inventory_proto.Services().Get(0)},
			Contracts: []*surefootv1.Contract{c},
		})
	}
	if err != nil {
		return scenario.Errors{{File: file, Line: given.Line, Column: 1, Text: err.Error()}}
	}
	return nil
}
