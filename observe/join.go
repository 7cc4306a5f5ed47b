package observe

import "context"

// Join returns an Observer that calls each of observers, in their order. A
// hook that none of them has stays nil, so that nobody pays for it.
func Join(observers ...Observer) Observer {
	if len(observers) == 1 {
		return observers[0]
	}
	var j Observer
	for _, o := range observers {
		j = join(j, o)
	}
	return j
}

func join(a, b Observer) Observer {
	return Observer{
		AttemptStart: both3(a.AttemptStart, b.AttemptStart),
		AttemptDone:  both3(a.AttemptDone, b.AttemptDone),
		CallDone:     both2(a.CallDone, b.CallDone),
		Endpoint:     both1(a.Endpoint, b.Endpoint),
		Breaker:      both1(a.Breaker, b.Breaker),
		Discovery:    both1(a.Discovery, b.Discovery),
		Override:     both1(a.Override, b.Override),
		Problem:      both1(a.Problem, b.Problem),
	}
}

func both1[A any](f, g func(A)) func(A) {
	if f == nil {
		return g
	}
	if g == nil {
		return f
	}
	return func(a A) { f(a); g(a) }
}

func both2[A any](f, g func(context.Context, A)) func(context.Context, A) {
	if f == nil {
		return g
	}
	if g == nil {
		return f
	}
	return func(ctx context.Context, a A) { f(ctx, a); g(ctx, a) }
}

func both3[A, B any](f, g func(context.Context, A, B)) func(context.Context, A, B) {
	if f == nil {
		return g
	}
	if g == nil {
		return f
	}
	return func(ctx context.Context, a A, b B) { f(ctx, a, b); g(ctx, a, b) }
}
