package call

import "context"

type hashKey struct{}

// WithHashKey returns a context whose calls have this key: under consistent
// hashing, calls with the same key go to the same endpoint while it is usable.
// It stands before the header that the contract names, and has no effect under
// other policies.
func WithHashKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, hashKey{}, key)
}

// HashKey returns the key of ctx, and whether it has one.
func HashKey(ctx context.Context) (key string, ok bool) {
	key, ok = ctx.Value(hashKey{}).(string)
	return key, ok
}
