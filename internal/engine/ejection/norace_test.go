//go:build !race

package ejection

const underRace = false
