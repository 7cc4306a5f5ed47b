package scenario

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Service is what the servers of the lab offer.
const Service = "inventory.v1.Inventory"

// has says whether clients of this kind take part.
func (s *Scenario) has(client Client) bool {
	return slices.ContainsFunc(s.Arms, func(a Arm) bool { return a.Client == client })
}

// armNames lists the names of the arms.
func (s *Scenario) armNames() []string {
	names := make([]string, len(s.Arms))
	for i, arm := range s.Arms {
		names[i] = arm.Name
	}
	return names
}

// arms reads the arms: each the name of a kind of client, or a mapping that
// says more.
func (d *decoder) arms(n ast.Node, s *Scenario) {
	d.list(n, "arms", func(e ast.Node) {
		var arm Arm
		switch e.Type() {
		case ast.MappingType, ast.MappingValueType:
			d.arm(e, &arm)
		default:
			choice(d, &arm.Client, "an arm", Clients())(e)
		}
		arm.Line = start(e).Position.Line
		if arm.Name == "" {
			arm.Name = string(arm.Client)
		}
		switch {
		case arm.Client == "":
		case slices.Contains(s.armNames(), arm.Name):
			d.failf(start(e), "the arm %q stands twice: keep one, or name one of them otherwise", arm.Name)
		default:
			s.Arms = append(s.Arms, arm)
		}
	})
	if seq, ok := n.(*ast.SequenceNode); ok && len(seq.Values) == 0 {
		d.failf(n.GetToken(), "arms is empty: name at least one: %s", OneOf("", Clients()))
	}
}

func (d *decoder) arm(n ast.Node, arm *Arm) {
	d.mapping(n, "an arm",
		may("name", d.text(&arm.Name, "name")),
		must("client", choice(d, &arm.Client, "the client", Clients())),
		may("contract", d.contract(&arm.Contract)),
		may("profile", d.text(&arm.Profile, "profile")),
	)
	if (arm.Contract.Text != "" || arm.Profile != "") && arm.Client != "" && arm.Client != Surefoot {
		d.failf(start(n), "contract and profile are for the client %q: remove them", Surefoot)
	}
}

// oneOfArms reads the name of an arm that takes part.
func (d *decoder) oneOfArms(into *string, n ast.Node, s *Scenario) {
	var got string
	before := len(d.errors)
	if d.text(&got, "the arm")(n); len(d.errors) > before {
		return
	}
	*into = got
	if names := s.armNames(); len(names) > 0 && !slices.Contains(names, got) {
		d.failf(n.GetToken(), "the arm %q does not take part: add it to arms or remove the expectation (arms: %s)", got, strings.Join(names, ", "))
	}
}

// contract reads the lines of a contract. What they say is checked by those who
// know the contract language.
func (d *decoder) contract(into *Contract) func(ast.Node) {
	return func(n ast.Node) {
		first := start(n).Position
		line := first.Line
		if n.Type() != ast.MappingType && n.Type() != ast.MappingValueType || first.Column < 3 || !d.alone(first.Line, first.Column) {
			d.failf(start(n), "contract must be a mapping with service and methods, as in a contract file, in lines of its own that are indented by two or more")
			return
		}
		for line > 0 && !d.names(line, "contract") {
			line--
		}
		if line < 2 { // the first line is a comment
			d.failf(start(n), "the name contract must stand on a line of its own, as it is")
			return
		}
		end := first.Line // the first line that no longer belongs to it
		for end <= len(d.source) && (d.indent(end) < 0 || d.indent(end) >= first.Column-1) {
			end++
		}
		into.Text = strings.Join(d.source[line:end-1], "\n") + "\n"
		into.Line, into.Indent = line, first.Column-1
	}
}

// Document is the contract as a contract file, in which each line has the number
// that it has in the scenario; "" when there is none.
func (c Contract) Document() string {
	if c.Text == "" {
		return ""
	}
	return strings.Repeat("\n", c.Line-2) + "contracts:\n" +
		strings.Repeat(" ", c.Indent-2) + "- service_name: " + Service + "\n" + c.Text
}

// alone says whether nothing stands before the column.
func (d *decoder) alone(line, column int) bool { return d.indent(line) == column-1 }

// names says whether the line is that of the field, and holds nothing else.
func (d *decoder) names(line int, field string) bool {
	text, _, _ := strings.Cut(strings.TrimLeft(d.source[line-1], " -"), "#")
	return strings.TrimSpace(text) == field+":"
}

// indent is the number of blanks before what stands on the line; -1 when it is
// blank or a comment, which belong to anything.
func (d *decoder) indent(line int) int {
	text := strings.TrimLeft(d.source[line-1], " ")
	if text == "" || text[0] == '#' || text == "\r" {
		return -1
	}
	return len(d.source[line-1]) - len(text)
}
