package gotest

import "slices"

// more is what else of the Go tree the tests of a package of the standard
// library read, and why.
type more struct {
	paths []string // in GOROOT; src comes without the commands
	why   string
}

func (m more) contains(path string) bool { return slices.Contains(m.paths, path) }

// needsMore is found by running the tests: a package whose tests miss a file
// natively there gets a line.
var needsMore = map[string]more{
	"go/ast":                  {[]string{"src"}, "parses packages by import path"},
	"go/build":                {[]string{"src", "go.env"}, "finds and loads packages, checks the imports of all"},
	"go/build/constraint":     {[]string{"src"}, "parses the constraints of all files"},
	"go/doc":                  {[]string{"src"}, "documents packages of the library"},
	"go/doc/comment":          {[]string{"src"}, "asks which packages the library has"},
	"go/importer":             {[]string{"src"}, "imports packages from source"},
	"go/internal/gcimporter":  {[]string{"src", "test"}, "compiles and imports packages"},
	"go/internal/srcimporter": {[]string{"src"}, "imports packages of the library from source"},
	"go/parser":               {[]string{"src"}, "parses the library"},
	"go/printer":              {[]string{"src"}, "prints the library's sources"},
	"go/types":                {[]string{"src", "test"}, "type-checks the library and the compiler's tests"},
	"internal/godebugs":       {[]string{"src", "doc"}, "compares its table with the documentation"},
	"internal/types/errors":   {[]string{"src"}, "type-checks the examples of its own package"},
	"net/http":                {[]string{"src"}, "checks the imports of the package"},
	"runtime":                 {[]string{"src"}, "compiles and reads the runtime's sources"},
	"time/tzdata":             {[]string{"src/time"}, "compares with the table beside it"},
}
