package gobuild

import (
	"fmt"
	"strings"
)

// refused are flags of go build that an image can't have, with the reason.
var refused = map[string]string{
	"race":       "the race detector needs cgo",
	"msan":       "it needs cgo",
	"asan":       "it needs cgo",
	"linkshared": "images are static",
	"buildmode":  "images are executables at fixed addresses",
	"compiler":   "images are made by the gc compiler",
	"o":          "use doze build -o",
	"C":          "change the folder before",
	"n":          "it makes no image",
}

// CheckFlags refuses flags that an image can't have.
func CheckFlags(flags []string) error {
	for _, f := range flags {
		name, value, _ := strings.Cut(strings.TrimLeft(f, "-"), "=")
		reason, bad := refused[name]
		if !bad || !strings.HasPrefix(f, "-") || value == "false" {
			continue
		}
		if name == "buildmode" && (value == "exe" || value == "default") {
			continue
		}
		return fmt.Errorf("go build flag -%s: %s: leave it out", name, reason)
	}
	return nil
}
