package lab

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// dropSet is a set of addresses whose packets vanish. They are dropped on the
// way *in* (hook INPUT), in both directions: dropped on the way out, the sender
// of a datagram would be told EPERM, and nothing on a real network tells.
type dropSet struct {
	set *nftables.Set
}

// Offsets of the two addresses in an IPv4 header.
const (
	sourceOffset      = 12
	destinationOffset = 16
	addressLen        = 4
)

func newDropSet() (*dropSet, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "surefoot"})
	set := &nftables.Set{Table: table, Name: "silent", KeyType: nftables.TypeIPAddr}
	if err := conn.AddSet(set, nil); err != nil {
		return nil, err
	}
	chain := conn.AddChain(&nftables.Chain{
		Name: "input", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
	})
	for _, offset := range []uint32{sourceOffset, destinationOffset} {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: addressLen},
			&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
	}
	if err := conn.Flush(); err != nil {
		return nil, err
	}
	return &dropSet{set: set}, nil
}

func (d *dropSet) add(a netip.Addr) error {
	return d.change(a, (*nftables.Conn).SetAddElements)
}

func (d *dropSet) remove(a netip.Addr) error {
	return d.change(a, (*nftables.Conn).SetDeleteElements)
}

func (d *dropSet) change(a netip.Addr, how func(*nftables.Conn, *nftables.Set, []nftables.SetElement) error) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	if err := how(conn, d.set, []nftables.SetElement{{Key: a.AsSlice()}}); err != nil {
		return err
	}
	return conn.Flush()
}
