package discovery

import (
	"strings"
	"testing"
)

func TestTargetsThatCannotBeAreTold(t *testing.T) {
	for target, want := range map[string]string{
		"dns:///inventory:7443":                   "",
		"inventory:7443":                          "",
		"127.0.0.1:7443":                          "",
		"dns:///_grpc._tcp.inventory.test":        "",
		"unix:///run/inventory.sock":              "",
		"passthrough:///inventory:7443":           "",
		"static:///127.0.0.1:1,[::1]:2":           "",
		"":                                        "it names no host",
		"dns:///inventory:abc":                    `there is no port "abc"`,
		"inventory:abc":                           `there is no port "abc"`,
		"htp:///x":                                `nobody knows the scheme "htp"`,
		"static:///127.0.0.1:1,inventory":         `"inventory" is no host:port`,
		"static:///":                              `"" is no host:port`,
		"etcd:///with/a/resolver/of/its/own#here": `nobody knows the scheme "etcd"`,
	} {
		err := Check(target, false)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: told %v, want %q", target, err, want)
		}
	}
	if err := Check("etcd:///x", true); err != nil {
		t.Errorf("a scheme of the client's own: %v", err)
	}
}
