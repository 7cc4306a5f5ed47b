package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// What a refusal says leads to what can be done about it on that machine.
func TestAdvice(t *testing.T) {
	tests := []struct {
		name    string
		no      syscall.Errno
		sysctls map[string]string
		want    string // a part of the advice
	}{
		{"namespaces used up or set to 0", syscall.ENOSPC, nil, "user.max_user_namespaces"},
		{"nested too deep", syscall.EUSERS, nil, "user.max_user_namespaces"},
		{"Debian's switch", syscall.EPERM, map[string]string{"kernel/unprivileged_userns_clone": "0"}, "sysctl kernel.unprivileged_userns_clone=1"},
		{"Debian's switch is on", syscall.EPERM, map[string]string{"kernel/unprivileged_userns_clone": "1"}, "seccomp profile"},
		{"Ubuntu's AppArmor", syscall.EACCES, map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "1"}, "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"a container", syscall.EPERM, nil, "docker run --security-opt seccomp=unconfined"},
		{"a chroot", syscall.EINVAL, nil, "run outside of it"},
		{"a port in use", syscall.EADDRINUSE, nil, "another program listens there"},
		{"a kernel without nf_tables", syscall.EOPNOTSUPP, nil, "this kernel lacks the feature"},
		{"something else", syscall.EIO, nil, "nothing is known about this failure"},
		{"no errno at all", 0, nil, "nothing is known about this failure"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := advice(test.no, func(name string) string { return test.sysctls[name] })
			if !strings.Contains(got, test.want) {
				t.Errorf("got %q, want it to say %q", got, test.want)
			}
		})
	}
}

// A refusal happens in one process and is told in another.
func TestStepErrorTravels(t *testing.T) {
	refused := failed("mount /proc", fmt.Errorf("outer words: %w", &os.SyscallError{Syscall: "mount", Err: syscall.EPERM}))
	text, err := json.Marshal(message{Failure: refused})
	if err != nil {
		t.Fatal(err)
	}
	var got message
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Failure == nil || *got.Failure != *refused || got.Failure.No != syscall.EPERM {
		t.Fatalf("got %+v, want %+v", got.Failure, refused)
	}
	want := "mount /proc: outer words: mount: operation not permitted; " + refused.Advice()
	if got.Failure.Error() != want {
		t.Errorf("it says\n%s\nwant\n%s", got.Failure, want)
	}
}

func TestStepErrorWithoutErrno(t *testing.T) {
	if got := failed("a step", errors.New("why")); got.No != 0 || !strings.HasPrefix(got.Error(), "a step: why; ") {
		t.Errorf("got %+v, which says %s", got, got)
	}
}

func TestReadSysctl(t *testing.T) {
	if got := readSysctl("kernel/ostype"); got != "Linux" {
		t.Errorf("kernel/ostype is %q", got)
	}
	if got := readSysctl("kernel/no_such_setting"); got != "" {
		t.Errorf("a setting that does not exist is %q", got)
	}
}

// A keeper answers whatever it is told, so that the outer process can say why
// there is no result.
func TestKeeperTellsWhatItCannotDo(t *testing.T) {
	tests := []struct{ name, in, wantErr string }{
		{"nothing", "", "no job: EOF"},
		{"nonsense", "go!\n", "the job: invalid character 'g' looking for beginning of value"},
	}
	for _, test := range tests {
		if err := Keep(t.Context(), Programs{}, strings.NewReader(test.in), io.Discard); err == nil || err.Error() != test.wantErr {
			t.Errorf("%s: got %v, want %s", test.name, err, test.wantErr)
		}
	}
	var out strings.Builder
	if err := Keep(t.Context(), Programs{}, strings.NewReader(`{"Isolation":"moon","Probe":true}`+"\n"), &out); err != nil {
		t.Fatal(err)
	}
	if want := `{"Error":"no world for the isolation \"moon\""}` + "\n"; out.String() != want {
		t.Errorf("it answers %s, want %s", out.String(), want)
	}
}
