package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

const (
	reflectionTimeout = 10 * time.Second
	// maxReflected bounds the files that a server may send.
	maxReflected = 10_000
	maxPEM       = 1 << 20
)

// The two versions of reflection have the same messages.
const (
	reflectionV1    = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	reflectionAlpha = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
)

// A server is one that tells its services by reflection.
type server struct {
	address   string
	plaintext bool
	ca        string
}

func (s server) credentials() (credentials.TransportCredentials, error) {
	if s.plaintext {
		if s.ca != "" {
			return nil, errors.New("--ca is for TLS, which --plaintext switches off: remove one of them")
		}
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.ca != "" {
		pem, err := readAll(s.ca, maxPEM)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: no certificate in %s: name a file with PEM blocks of the type CERTIFICATE", s.ca)
		}
	}
	return credentials.NewTLS(config), nil
}

// services asks the server for its services. It knows no lines: servers do not
// keep them.
func (s server) services(ctx context.Context) ([]protoreflect.ServiceDescriptor, error) {
	creds, err := s.credentials()
	if err != nil {
		return nil, err
	}
	cc, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(creds))
	if err != nil {
		return nil, fmt.Errorf("--server: %w: give it as host:port", err)
	}
	defer func() { _ = cc.Close() }()
	ctx, cancel := context.WithTimeout(ctx, reflectionTimeout)
	defer cancel()
	set, err := reflected(ctx, cc, reflectionV1)
	if grpcstatus.Code(err) == codes.Unimplemented {
		set, err = reflected(ctx, cc, reflectionAlpha)
	}
	switch code := grpcstatus.Code(err); {
	case err == nil:
	case code == codes.Unimplemented:
		return nil, fmt.Errorf("--server: %s has no reflection: register it there (reflection.Register(srv)), or use --proto or --descriptor-set", s.address)
	case (code == codes.Unavailable || code == codes.DeadlineExceeded) && !s.plaintext:
		return nil, fmt.Errorf("--server: %s: %s; if it speaks no TLS add --plaintext, if its certificate is your own --ca", s.address, grpcstatus.Convert(err).Message())
	case (code == codes.Unavailable || code == codes.DeadlineExceeded):
		return nil, fmt.Errorf("--server: %s: %s; if it speaks TLS remove --plaintext", s.address, grpcstatus.Convert(err).Message())
	default:
		return nil, fmt.Errorf("--server: %s: %w", s.address, err)
	}
	services, err := linkServices(set)
	if err != nil {
		return nil, fmt.Errorf("--server: %s sent descriptors that do not fit together: %w", s.address, err)
	}
	return services, nil
}

// A conversation is one with a server about its files.
type conversation struct {
	stream grpc.ClientStream
	files  map[string]*descriptorpb.FileDescriptorProto
}

// reflected returns the files of all services of the server, and what they
// import as far as the server has it.
func reflected(ctx context.Context, cc *grpc.ClientConn, method string) (*descriptorpb.FileDescriptorSet, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream
	defer cancel()
	stream, err := cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return nil, err
	}
	r := conversation{stream, make(map[string]*descriptorpb.FileDescriptorProto)}
	list, err := r.ask(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
	})
	if err != nil {
		return nil, err
	}
	for _, service := range list.GetListServicesResponse().GetService() {
		err := r.get(&reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service.GetName()},
		})
		if err != nil {
			return nil, fmt.Errorf("descriptor of %s: %w", service.GetName(), err)
		}
	}
	if err := r.imports(); err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, file := range r.files {
		set.File = append(set.File, file)
	}
	return set, nil
}

// imports gets what the files import. A server that lacks one of these is
// believed.
func (r *conversation) imports() error {
	asked := make(map[string]bool)
	for more := true; more; {
		more = false
		for _, file := range r.files {
			for _, name := range file.GetDependency() {
				if r.files[name] != nil || asked[name] {
					continue
				}
				asked[name], more = true, true
				err := r.get(&reflectionpb.ServerReflectionRequest{
					MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: name},
				})
				if err != nil && grpcstatus.Code(err) != codes.NotFound {
					return err
				}
			}
			if more {
				break // the map has changed
			}
		}
	}
	return nil
}

// get adds the files that answer the request.
func (r *conversation) get(request *reflectionpb.ServerReflectionRequest) error {
	answer, err := r.ask(request)
	if err != nil {
		return err
	}
	for _, b := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(b, file); err != nil {
			return fmt.Errorf("a descriptor that is none: %w", err)
		}
		if r.files[file.GetName()] = file; len(r.files) > maxReflected {
			return fmt.Errorf("more than %d files", maxReflected)
		}
	}
	return nil
}

func (r *conversation) ask(request *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
	answer := &reflectionpb.ServerReflectionResponse{}
	// When the stream has ended, RecvMsg says why.
	_ = r.stream.SendMsg(request)
	if err := r.stream.RecvMsg(answer); err != nil {
		return nil, err
	}
	if wrong := answer.GetErrorResponse(); wrong != nil {
		return nil, grpcstatus.Error(codes.Code(wrong.GetErrorCode()), wrong.GetErrorMessage())
	}
	return answer, nil
}
