package yaml_test

import (
	"fmt"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/contract/yaml"
)

// A client of etcd, whose .proto says nothing of how to call it.
func ExampleRead() {
	file, err := yaml.Read("testdata/etcd.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := surefoot.NewClient("dns:///etcd:2379",
		surefoot.WithInsecure(),
		surefoot.WithContractFile(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	for _, c := range file.Contracts {
		fmt.Println(c.GetServiceName())
	}
	// Output:
	// etcdserverpb.KV
	// etcdserverpb.Lease
	// etcdserverpb.Watch
}
