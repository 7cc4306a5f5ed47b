package wire

import (
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
)

func TestReadPushback(t *testing.T) {
	for _, c := range []struct {
		name    string
		trailer metadata.MD
		after   time.Duration
		stop    bool
		given   bool
	}{
		{name: "no trailer"},
		{name: "another one", trailer: metadata.Pairs("grpc-retry-pushback", "5")},
		{name: "at once", trailer: metadata.Pairs(Pushback, "0"), given: true},
		{name: "later", trailer: metadata.Pairs(Pushback, "250"), after: 250 * time.Millisecond, given: true},
		{name: "any case", trailer: metadata.Pairs("Grpc-Retry-Pushback-Ms", "1"), after: time.Millisecond, given: true},
		{name: "a day", trailer: metadata.Pairs(Pushback, "86400000"), after: 24 * time.Hour, given: true},
		{name: "more than a day", trailer: metadata.Pairs(Pushback, "86400001"), after: 24 * time.Hour, given: true},
		{name: "as long as it gets", trailer: metadata.Pairs(Pushback, "9223372036854775807"), after: 24 * time.Hour, given: true},
		{name: "longer", trailer: metadata.Pairs(Pushback, "9223372036854775808"), stop: true, given: true},
		{name: "never", trailer: metadata.Pairs(Pushback, "-1"), stop: true, given: true},
		{name: "far from ever", trailer: metadata.Pairs(Pushback, "-9223372036854775808"), stop: true, given: true},
		{name: "empty", trailer: metadata.Pairs(Pushback, ""), stop: true, given: true},
		{name: "no number", trailer: metadata.Pairs(Pushback, "soon"), stop: true, given: true},
		{name: "a fraction", trailer: metadata.Pairs(Pushback, "1.5"), stop: true, given: true},
		{name: "with a space", trailer: metadata.Pairs(Pushback, " 1"), stop: true, given: true},
		{name: "with a unit", trailer: metadata.Pairs(Pushback, "1ms"), stop: true, given: true},
		{name: "hexadecimal", trailer: metadata.Pairs(Pushback, "0x10"), stop: true, given: true},
		{name: "two", trailer: metadata.Pairs(Pushback, "1", Pushback, "1"), stop: true, given: true},
	} {
		after, stop, given := ReadPushback(c.trailer)
		if after != c.after || stop != c.stop || given != c.given {
			t.Errorf("%s: %v, stop %v, given %v; want %v, %v, %v", c.name, after, stop, given, c.after, c.stop, c.given)
		}
	}
}

func FuzzAPushbackIsATimeOrAStop(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "-1", "250", "86400001", "9223372036854775808", "x", "1e3", "+5", "007"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		after, stop, given := ReadPushback(metadata.MD{Pushback: {value}})
		if !given {
			t.Fatal("a pushback that is there is not given")
		}
		ms, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil || ms < 0:
			if !stop || after != 0 {
				t.Fatalf("%q: %v, stop %v: must stop", value, after, stop)
			}
		case stop || after < 0 || after > 24*time.Hour:
			t.Fatalf("%q: %v, stop %v", value, after, stop)
		case ms <= 86_400_000 && after.Milliseconds() != ms:
			t.Fatalf("%q: %v", value, after)
		}
	})
}

func TestServersAreToldOfTheAttemptsBefore(t *testing.T) {
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-user", "u")
	md, _ := metadata.FromOutgoingContext(WithPreviousAttempts(ctx, 2))
	if got := md.Get(PreviousAttempts); len(got) != 1 || got[0] != "2" {
		t.Errorf("%s is %q, want 2", PreviousAttempts, got)
	}
	if got := md.Get("x-user"); len(got) != 1 || got[0] != "u" {
		t.Errorf("the caller's own header is %q", got)
	}
	if md, _ := metadata.FromOutgoingContext(ctx); len(md.Get(PreviousAttempts)) != 0 {
		t.Error("the caller's context was changed")
	}
}

func TestARepeatIsKnownByItsHeaders(t *testing.T) {
	for _, c := range []struct {
		name string
		md   metadata.MD
		want bool
	}{
		{"none", metadata.MD{}, false},
		{"a first attempt of a client that says so", metadata.Pairs(PreviousAttempts, "0"), false},
		{"a second", metadata.Pairs(PreviousAttempts, "1"), true},
		{"a forwarded header beside the client's own", metadata.Pairs(PreviousAttempts, "0", PreviousAttempts, "2"), true},
		{"no number", metadata.Pairs(PreviousAttempts, "x"), false},
		{"empty", metadata.Pairs(PreviousAttempts, ""), false},
		{"negative", metadata.Pairs(PreviousAttempts, "-1"), false},
		{"too large", metadata.Pairs(PreviousAttempts, "99999999999999999999"), false},
		{"made for one", metadata.Pairs(Repeated, "1"), true},
		{"made for one, whatever it says", metadata.Pairs(Repeated, ""), true},
		{"made for one, and a first attempt", metadata.Pairs(Repeated, "1", PreviousAttempts, "0"), true},
	} {
		if got := IsRepeat(metadata.NewIncomingContext(t.Context(), c.md)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if IsRepeat(t.Context()) {
		t.Error("without headers")
	}
	sent, _ := metadata.FromOutgoingContext(WithRepeated(metadata.AppendToOutgoingContext(t.Context(), "x-user", "u")))
	if !IsRepeat(metadata.NewIncomingContext(t.Context(), sent)) || len(sent.Get("x-user")) != 1 {
		t.Errorf("sent %v", sent)
	}
}

func TestNotExecutedIsSaidOfThisMethodAlone(t *testing.T) {
	const method = "/inventory.v1.Inventory/Reserve"
	for _, c := range []struct {
		name    string
		trailer metadata.MD
		want    bool
	}{
		{"no trailer", nil, false},
		{"another one", metadata.Pairs(Pushback, "-1"), false},
		{"of this method", metadata.Pairs(NotExecuted, method), true},
		{"of another method", metadata.Pairs(NotExecuted, "/stock.v1.Stock/Reserve"), false},
		{"of none", metadata.Pairs(NotExecuted, ""), false},
		{"voided", metadata.Pairs(NotExecuted, method, NotExecuted, ""), false},
		{"twice", metadata.Pairs(NotExecuted, method, NotExecuted, method), false},
	} {
		if got := WasNotExecuted(c.trailer, method); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestUsersSeeWhatIsTheirs(t *testing.T) {
	got := HideOwn(metadata.Pairs(NotExecuted, "/a/b", Pushback, "-1", "x-user", "u"))
	if len(got) != 2 || len(got.Get(NotExecuted)) != 0 {
		t.Errorf("%v", got)
	}
	if HideOwn(nil) != nil {
		t.Error("nothing became something")
	}
}
