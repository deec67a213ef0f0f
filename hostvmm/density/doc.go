// Package density boots many instances of one image, holds them idle and says
// what each costs its host: memory, CPU, wake-ups and exits.
//
// One process holds at most PerWorker machines, since every machine slows that
// process's memory calls; more are spread over worker processes that end with
// their coordinator. The package must never count what it can't attribute as an
// instance's: what is estimated is called an estimate.
package density
