package contract_test

import (
	"fmt"
	"log"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// A test of a contract needs no client: here, that reads have what the service
// promises to its callers.
func ExampleCompile() {
	service := inventoryv1.File_inventory_proto.Services().ByName("Inventory")
	table, err := contract.Compile(contract.Sources{Services: []protoreflect.ServiceDescriptor{service}, Profile: "interactive"})
	if err != nil {
		log.Fatal(err) // every mistake
	}
	get, err := table.Lookup("/inventory.v1.Inventory/Get")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(get.Unary.Deadline, get.Unary.Retry.MaxAttempts, get.Unary.Safety)
	// Output: 1s 2 read-only
}

// Explain tells where each value comes from, as surefoot explain does.
func ExampleExplain() {
	service := inventoryv1.File_inventory_proto.Services().ByName("Inventory")
	explanation, err := contract.Explain(contract.Sources{Services: []protoreflect.ServiceDescriptor{service}})
	if err != nil {
		log.Fatal(err)
	}
	for _, value := range explanation.Services[0].Methods[0].Values {
		if value.Origin.Level != contract.LevelHouse {
			fmt.Println(value.Field, value.Text, value.Origin.Level)
		}
	}
	// Output:
	// idempotency_level NO_SIDE_EFFECTS method
	// deadline_ms 2000 method
	// attempt_timeout_ms 250 method
	// retry.max_attempts 3 method
	// retry.codes ABORTED method
	// retry.backoff.base_ms 25 method
	// retry.backoff.max_ms 1000 method
}
