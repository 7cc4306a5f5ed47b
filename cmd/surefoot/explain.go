package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/contract/yaml"
	"github.com/surefoot-rpc/surefoot/internal/nearest"
)

const explainHelp = `Show how a client calls a service, and where each value comes from.

The services are read from one of --descriptor-set, --proto and --server, or, if
none is given, from the contracts alone. Each service is explained as if a
client were made for it alone. Arguments choose some of the services or methods.

Exit codes:
    0  explained
    2  it could not be: the command line or a contract is wrong, or there is
       nothing to read it from
  130  interrupted`

const explainExample = `  surefoot explain --proto api inventory.v1.Inventory/Get
  surefoot explain --server localhost:8443 --plaintext
  surefoot explain --descriptor-set etcd.binpb --contract etcd.yaml --json`

// explainFlags are what a person may say about an explanation.
type explainFlags struct {
	descriptorSet string
	proto         string
	imports       []string
	server        server
	contracts     []string
	profile       string
	overrides     string
	json          bool
}

func explainCommand() *cobra.Command {
	var flags explainFlags
	cmd := &cobra.Command{
		Use:     "explain [SERVICE | SERVICE/METHOD]...",
		Short:   "Show how a client calls a service, and where each value comes from",
		Long:    explainHelp,
		Example: explainExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			return explain(cmd.Context(), cmd.OutOrStdout(), &flags, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.descriptorSet, "descriptor-set", "", "read the services from this `file` of descriptors")
	f.StringVar(&flags.proto, "proto", "", "read them from the .proto files in this\n`directory`, the root of their imports")
	f.StringArrayVar(&flags.imports, "import", nil, "find imports of --proto in this `directory` too;\nmay be repeated")
	f.StringVar(&flags.server.address, "server", "", "read them from the reflection of the server at\n`host:port`, over TLS")
	f.BoolVar(&flags.server.plaintext, "plaintext", false, "the server speaks no TLS")
	f.StringVar(&flags.server.ca, "ca", "", "trust the certificates in this PEM `file` only")
	f.StringArrayVar(&flags.contracts, "contract", nil, "lay the contracts in this YAML `file` over them;\nmay be repeated")
	f.StringVar(&flags.profile, "profile", "", "the client chose the profile of this `name`")
	f.StringVar(&flags.overrides, "overrides", "", "the operator's overrides are in this YAML `file`")
	f.BoolVar(&flags.json, "json", false, "print JSON")
	return cmd
}

// A found is the services that an explanation is asked of.
type found struct {
	from     string // what they were read from, for messages; "" is nothing
	services []protoreflect.ServiceDescriptor
}

func explain(ctx context.Context, w io.Writer, flags *explainFlags, args []string) error {
	files, err := readContracts(flags.contracts)
	if err != nil {
		return err
	}
	overrides, err := readOverrides(flags.overrides)
	if err != nil {
		return err
	}
	in, err := flags.find(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	names, err := in.names(files)
	if err != nil {
		return err
	}
	chosen, err := choose(args, names, in)
	if err != nil {
		return err
	}
	var explained []contract.Explanation
	var wrong []error
	var profiles []string
	for _, name := range names {
		if len(chosen) > 0 && chosen[name] == nil {
			continue
		}
		sources := in.sources(name, files)
		sources.Overrides = overrides
		profiles = append(profiles, sources.Profiles()...)
		if slices.Contains(sources.Profiles(), flags.profile) {
			sources.Profile = flags.profile
		}
		e, err := contract.Explain(sources)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if only := chosen[name]; len(only) > 0 {
			e.Services[0].Methods = slices.DeleteFunc(e.Services[0].Methods, func(m contract.MethodExplanation) bool {
				return !slices.Contains(only, m.Name)
			})
		}
		explained = append(explained, *e)
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	if flags.profile != "" && !slices.Contains(profiles, flags.profile) {
		return fmt.Errorf("--profile: no service that is shown has the profile %q: %s", flags.profile, nearest.Hint(flags.profile, profiles))
	}
	if flags.json {
		return writeExplanationJSON(w, explained)
	}
	return writeExplanation(colorful(w), explained)
}

// readContracts reads the files, and tells all that is wrong with all of them.
func readContracts(names []string) ([]*contract.File, error) {
	var files []*contract.File
	var wrong []string
	for _, name := range names {
		file, err := yaml.Read(name)
		if mistakes, inFile := errors.AsType[yaml.Errors](err); inFile {
			wrong = append(wrong, mistakes.Error()) // begins with file:line, for editors
			continue
		}
		if err != nil {
			wrong = append(wrong, "surefoot: --contract: "+err.Error())
			continue
		}
		files = append(files, file)
	}
	if len(wrong) > 0 {
		return nil, exitError{exitUnable, strings.Join(wrong, "\n")}
	}
	return files, nil
}

// readOverrides reads the file, nil if there is none.
func readOverrides(name string) (*contract.Overrides, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // to give none is no mistake
	}
	text, err := readAll(name, yaml.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("--overrides: %w", err)
	}
	o, err := yaml.ParseOverrides(name, text)
	if err != nil {
		return nil, exitError{exitUnable, err.Error()} // begins with file:line, for editors
	}
	return o, nil
}

// sources returns the flags that say where the services are.
func (flags *explainFlags) sources() []string {
	var said []string
	for _, f := range [][2]string{{"--descriptor-set", flags.descriptorSet}, {"--proto", flags.proto}, {"--server", flags.server.address}} {
		if f[1] != "" {
			said = append(said, f[0])
		}
	}
	return said
}

// find reads the services from where the flags say.
func (flags *explainFlags) find(ctx context.Context) (found, error) {
	var in found
	var err error
	if said := flags.sources(); len(said) > 1 {
		return in, fmt.Errorf("%s are given: choose one, from which the services are read", strings.Join(said, " and "))
	}
	if flags.proto == "" && len(flags.imports) > 0 {
		return in, errors.New("--import is for --proto: add --proto with the directory of the .proto files, or remove it")
	}
	if flags.server.address == "" && (flags.server.plaintext || flags.server.ca != "") {
		return in, errors.New("--plaintext and --ca are for --server: add --server host:port, or remove them")
	}
	switch {
	case flags.descriptorSet != "":
		in.from = flags.descriptorSet
		in.services, err = fromDescriptorSet(flags.descriptorSet)
	case flags.proto != "":
		in.from = flags.proto
		in.services, err = fromProto(ctx, flags.proto, flags.imports)
	case flags.server.address != "":
		in.from = flags.server.address
		in.services, err = flags.server.services(ctx)
	case len(flags.contracts) == 0:
		return in, errors.New("nothing to explain: add --descriptor-set file, --proto directory, --server host:port or --contract file.yaml")
	}
	if err == nil && in.from != "" && len(in.services) == 0 {
		return in, fmt.Errorf("%s has no service: name what declares one", in.from)
	}
	slices.SortFunc(in.services, func(a, b protoreflect.ServiceDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	return in, err
}

// names returns those of the services, and reports contracts for a service that
// is not among them.
func (in found) names(files []*contract.File) ([]string, error) {
	var names []string
	for _, sd := range in.services {
		names = append(names, string(sd.FullName()))
	}
	var wrong []string
	described := names
	for _, file := range files {
		for _, c := range file.Contracts {
			name := c.GetServiceName()
			switch {
			case in.from == "":
				names = append(names, name)
			case !slices.Contains(described, name):
				at := file.Positions[contract.Field{Service: name, Path: "service_name"}]
				wrong = append(wrong, fmt.Sprintf("%v: the service %s is not in %s: %s", at, name, in.from, nearest.Hint(name, described)))
			}
		}
	}
	if len(wrong) > 0 {
		return nil, exitError{exitUnable, strings.Join(wrong, "\n")}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// sources is what a client of the one service has.
func (in found) sources(name string, files []*contract.File) contract.Sources {
	var s contract.Sources
	for _, sd := range in.services {
		if string(sd.FullName()) == name {
			s.Services = append(s.Services, sd)
		}
	}
	for _, file := range files {
		for _, c := range file.Contracts {
			if c.GetServiceName() == name {
				one := *file
				one.Contracts = append(one.Contracts[:0:0], c)
				s.Files = append(s.Files, &one)
			}
		}
	}
	return s
}

// choose reads which services, and which methods of them, args name. Services
// of the infrastructure are shown only when they are asked for.
func choose(args, names []string, in found) (map[string][]string, error) {
	chosen := make(map[string][]string)
	var wrong []error
	where := in.from
	if where == "" {
		where = "the contracts"
	}
	for _, arg := range args {
		service, method, hasMethod := strings.Cut(strings.TrimPrefix(arg, "/"), "/")
		if !slices.Contains(names, service) {
			wrong = append(wrong, fmt.Errorf("there is no service %q in %s: %s", service, where, nearest.Hint(service, names)))
			continue
		}
		if chosen[service] == nil {
			chosen[service] = []string{}
		}
		if !hasMethod {
			continue
		}
		if known := in.methods(service); known != nil && !slices.Contains(known, method) {
			wrong = append(wrong, fmt.Errorf("%s has no method %q: %s", service, method, nearest.Hint(method, known)))
			continue
		}
		chosen[service] = append(chosen[service], method)
	}
	if len(wrong) > 0 {
		lines := make([]string, len(wrong))
		for i, err := range wrong {
			lines[i] = "surefoot: " + err.Error()
		}
		return nil, exitError{exitUnable, strings.Join(lines, "\n")}
	}
	if len(args) == 0 {
		for _, name := range names {
			if !strings.HasPrefix(name, "grpc.") {
				chosen[name] = []string{}
			}
		}
	}
	return chosen, nil
}

// methods returns the names of the methods of the service, nil if nobody knows
// them.
func (in found) methods(service string) []string {
	for _, sd := range in.services {
		if string(sd.FullName()) == service {
			names := []string{}
			for i := range sd.Methods().Len() {
				names = append(names, string(sd.Methods().Get(i).Name()))
			}
			return names
		}
	}
	return nil
}

// readAll reads a file that is not larger than most.
func readAll(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return b, err
}
