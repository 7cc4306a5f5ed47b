package slogobserve_test

import (
	"log"
	"log/slog"
	"os"

	"github.com/surefoot-rpc/surefoot"
	slogobserve "github.com/surefoot-rpc/surefoot/observe/slog"
)

func ExampleNew() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	client, err := surefoot.NewClient("dns:///inventory:7443", surefoot.WithInsecure(), surefoot.WithObserver(slogobserve.New(logger)))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
}
