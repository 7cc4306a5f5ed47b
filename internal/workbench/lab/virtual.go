package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// virtualIP is an address that stands for the servers, as the ClusterIP of a
// Kubernetes service does: each new connection goes to a random server of those
// listed, and stays there. It is what kube-proxy does in its nftables mode:
// destination NAT, with a random number that chooses from a map. Its methods
// may be called from any goroutine.
type virtualIP struct {
	at    netip.Addr
	table *nftables.Table
	chain *nftables.Chain

	mu     sync.Mutex // guards listed
	listed []netip.Addr
}

func newVirtualIP(at netip.Addr) (*virtualIP, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	v := &virtualIP{at: at}
	v.table = conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "service"})
	v.chain = conn.AddChain(&nftables.Chain{
		Name: "connections", Table: v.table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest,
	})
	return v, conn.Flush()
}

func (v *virtualIP) list(addresses ...netip.Addr) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, a := range addresses {
		if !slices.Contains(v.listed, a) {
			v.listed = append(v.listed, a)
		}
	}
	return v.program()
}

func (v *virtualIP) delist(a netip.Addr) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.listed = slices.DeleteFunc(v.listed, func(b netip.Addr) bool { return a == b })
	return v.program()
}

// program replaces the rule by one for the servers that are listed now, in one
// transaction. Without servers there is no rule: connections are refused. The
// caller holds mu.
func (v *virtualIP) program() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	conn.FlushChain(v.chain)
	if len(v.listed) > 0 {
		servers := &nftables.Set{
			Table: v.table, Anonymous: true, Constant: true, IsMap: true,
			KeyType: nftables.TypeInteger, DataType: nftables.TypeIPAddr,
		}
		var elements []nftables.SetElement
		for i, a := range v.listed {
			elements = append(elements, nftables.SetElement{Key: binary.NativeEndian.AppendUint32(nil, uint32(i)), Val: a.AsSlice()})
		}
		if err := conn.AddSet(servers, elements); err != nil {
			return fmt.Errorf("the servers behind %s: %w", v.at, err)
		}
		conn.AddRule(&nftables.Rule{Table: v.table, Chain: v.chain, Exprs: v.balance(servers)})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("send connections to %s to %d servers: %w", v.at, len(v.listed), err)
	}
	return nil
}

// balance sends a new connection to the virtual address to a random server.
func (v *virtualIP) balance(servers *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: destinationOffset, Len: addressLen},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: v.at.AsSlice()},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Numgen{Register: 1, Modulus: uint32(len(v.listed)), Type: unix.NFT_NG_RANDOM},
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: servers.Name, SetID: servers.ID},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1},
	}
}
