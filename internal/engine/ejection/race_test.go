//go:build race

package ejection

// underRace says that the race detector makes everything several times slower.
// Simulations run on one goroutine, in which it can find nothing: they are
// shorter then, and at their full length without it.
const underRace = true
