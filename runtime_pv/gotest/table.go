package gotest

import "slices"

// more is what else the tests of a package of the standard library read, and why.
type more struct {
	paths []string // in GOROOT; src comes without the commands
	why   string
	host  []string // files and folders of the host; of a folder, only that it is there
}

func (m more) contains(path string) bool { return slices.Contains(m.paths, path) }

// system are files that every Unix has.
var system = []string{"/etc/group", "/etc/hosts", "/etc/passwd", "/usr/bin"}

// needsMore is found by running the tests natively with nothing but their trees:
// a package whose tests miss a file there gets a line.
var needsMore = map[string]more{
	"crypto/internal/fips140test": {paths: []string{"src/crypto/internal/fips140"}, why: "hashes sources of the module it tests"},
	"go/ast":                      {paths: []string{"src"}, why: "parses packages by import path"},
	"go/build":                    {paths: []string{"src", "go.env"}, why: "finds and loads packages, checks the imports of all"},
	"go/build/constraint":         {paths: []string{"src"}, why: "parses the constraints of all files"},
	"go/doc":                      {paths: []string{"src"}, why: "documents packages of the library"},
	"go/doc/comment":              {paths: []string{"src"}, why: "asks which packages the library has"},
	"go/importer":                 {paths: []string{"src"}, why: "imports packages from source"},
	"go/internal/gcimporter":      {paths: []string{"src", "test"}, why: "compiles and imports packages"},
	"go/internal/srcimporter":     {paths: []string{"src"}, why: "imports packages of the library from source"},
	"go/parser":                   {paths: []string{"src"}, why: "parses the library"},
	"go/printer":                  {paths: []string{"src"}, why: "prints the library's sources"},
	"go/types":                    {paths: []string{"src", "src/cmd/compile/internal/types2", "test"}, why: "type-checks the library and the compiler's tests, compares its twin"},
	"internal/godebugs":           {paths: []string{"src", "doc"}, why: "compares its table with the documentation"},
	"internal/types/errors":       {paths: []string{"src"}, why: "type-checks the examples of its own package"},
	"io/ioutil":                   {paths: []string{"src/io"}, why: "reads the folder above"},
	"math/big/internal/asmgen":    {paths: []string{"src/math/big"}, why: "compares what it generates with the files there"},
	"net":                         {host: append([]string{"/etc/protocols", "/etc/services"}, system...), why: "reads the system's tables"},
	"net/http":                    {paths: []string{"src"}, why: "checks the imports of the package"},
	"os":                          {host: system, why: "looks at files that are there"},
	"os/user":                     {host: system, why: "looks up users"},
	"path/filepath":               {paths: []string{"src/unicode"}, why: "walks it"},
	"runtime":                     {paths: []string{"src"}, why: "compiles and reads the runtime's sources"},
	"time/tzdata":                 {paths: []string{"src/time"}, why: "compares with the table beside it"},
}
