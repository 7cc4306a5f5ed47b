package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/internal/workbench/lab"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/role"
)

// programs is how the lab starts this binary in its hidden roles.
func programs() lab.Programs {
	return lab.Programs{
		Init:   []string{"lab-init"},
		Keeper: []string{"lab-keeper"},
		Server: []string{"lab-server"},
		Load:   []string{"lab-load"},
	}
}

func hiddenCommands() []*cobra.Command {
	p := programs()
	hidden := func(words []string, short string, args cobra.PositionalArgs, run func(*cobra.Command, []string) error) *cobra.Command {
		return &cobra.Command{Use: words[0], Short: short, Hidden: true, Args: args, RunE: run}
	}
	return []*cobra.Command{
		hidden(p.Init, "process 1 of a private world of the lab", cobra.NoArgs, func(*cobra.Command, []string) error {
			code, err := lab.Init(p.Keeper)
			if err == nil && code != 0 {
				return exitError{code: code}
			}
			return err
		}),
		hidden(p.Keeper, "runs one arm of a scenario", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
			return lab.Keep(cmd.Context(), p, os.Stdin, os.Stdout)
		}),
		hidden(p.Server, "a server of the lab's fleet", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
			var order protocol.ServeOrder
			if err := json.Unmarshal([]byte(args[0]), &order); err != nil {
				return fmt.Errorf("the order: %w", err)
			}
			var contract []surefoot.ClientOption
			if order.Next != nil {
				var err error
				if contract, err = contractOptions(order.Next.Contract, order.Next.Profile); err != nil {
					return err
				}
			}
			return role.Serve(cmd.Context(), order, contract, os.Stdin, os.Stdout)
		}),
		hidden(p.Load, "clients of one arm", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
			var order protocol.LoadOrder
			if err := json.Unmarshal([]byte(args[0]), &order); err != nil {
				return fmt.Errorf("the order: %w", err)
			}
			contract, err := contractOptions(order.Contract, order.Profile)
			if err != nil {
				return err
			}
			return role.Load(cmd.Context(), order, contract, os.Stdin, os.Stdout)
		}),
	}
}
