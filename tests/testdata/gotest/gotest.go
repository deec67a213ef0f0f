// Package gotest is there to be tested: by go test and by doze test, whose
// outputs are compared.
package gotest

// Sum adds.
func Sum(n ...int) (sum int) {
	for _, v := range n {
		sum += v
	}
	return sum
}
