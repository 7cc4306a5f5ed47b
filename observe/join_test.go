package observe_test

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/surefoot-rpc/surefoot/observe"
)

// hooked returns an Observer in which every hook that want names calls heard
// with its name, and with the arguments that it was given.
func hooked(want func(hook string) bool, heard func(hook string, args []reflect.Value)) observe.Observer {
	var o observe.Observer
	v := reflect.ValueOf(&o).Elem()
	for field, hook := range v.Fields() {
		name := field.Name
		if want(name) {
			hook.Set(reflect.MakeFunc(hook.Type(), func(args []reflect.Value) []reflect.Value {
				heard(name, args)
				return nil
			}))
		}
	}
	return o
}

func every(string) bool { return true }

// call calls each hook of o that is there.
func call(o observe.Observer) {
	for _, hook := range reflect.ValueOf(o).Fields() {
		if hook.IsNil() {
			continue
		}
		args := make([]reflect.Value, 0, hook.Type().NumIn())
		for in := range hook.Type().Ins() {
			args = append(args, reflect.Zero(in))
		}
		hook.Call(args)
	}
}

func hooks() []string {
	t := reflect.TypeFor[observe.Observer]()
	names := make([]string, 0, t.NumField())
	for field := range t.Fields() {
		names = append(names, field.Name)
	}
	return names
}

func TestJoinCallsEveryHookOfEachInOrder(t *testing.T) {
	for n := range 4 {
		var heard []string
		want := make([]string, 0, n*len(hooks()))
		observers := make([]observe.Observer, 0, n)
		for i := range n {
			observers = append(observers, hooked(every, func(hook string, _ []reflect.Value) {
				heard = append(heard, hook+string(rune('a'+i)))
			}))
		}
		for _, hook := range hooks() {
			for i := range n {
				want = append(want, hook+string(rune('a'+i)))
			}
		}
		call(observe.Join(observers...))
		if !slices.Equal(heard, want) {
			t.Errorf("%d observers: heard %q, want %q", n, heard, want)
		}
	}
}

func TestAHookThatNobodyHasIsNil(t *testing.T) {
	for _, hook := range hooks() {
		var heard []string
		only := hooked(func(name string) bool { return name == hook },
			func(hook string, _ []reflect.Value) { heard = append(heard, hook) })
		for _, o := range []observe.Observer{
			observe.Join(only),
			observe.Join(observe.Observer{}, only),
			observe.Join(only, observe.Observer{}),
			observe.Join(observe.Observer{}, only, observe.Observer{}),
		} {
			heard = nil
			call(o)
			if !slices.Equal(heard, []string{hook}) {
				t.Errorf("only %s: heard %q", hook, heard)
			}
		}
	}
}

func TestBothHearTheSame(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "v")
	var heard []observe.Attempt
	one := observe.Observer{AttemptDone: func(ctx context.Context, method string, a observe.Attempt) {
		if method != "/s/M" || ctx.Value(key{}) != "v" {
			t.Errorf("heard of %q", method)
		}
		heard = append(heard, a)
	}}
	want := observe.Attempt{Number: 2, Endpoint: "e", Verdict: "lost"}
	observe.Join(one, one).AttemptDone(ctx, "/s/M", want)
	if !slices.Equal(heard, []observe.Attempt{want, want}) {
		t.Errorf("heard %+v", heard)
	}
}
