package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	doze "github.com/doze-vm/doze"
	"github.com/doze-vm/doze/runtime_pv/embed"
	"github.com/doze-vm/doze/runtime_pv/gobuild"
	"github.com/doze-vm/doze/runtime_pv/port"
	"github.com/spf13/cobra"
)

func newBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "build [-o IMAGE] [--embed DIR:/PATH]... [go build flags] PACKAGE",
		Short: "Build an image from a main package",
		Long: `Builds an image from a main package: a path, .go files, an import path, or module
path@version. The flags are those of go build. The image is called like the
package, with .doze added, unless -o names it.

--embed DIR:/PATH puts the files of a folder, or one file, into the image: the
program finds them at /PATH. It can be given several times.`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			req, help, err := parseBuild(args)
			if help {
				return cmd.Help()
			}
			if err != nil {
				return err
			}
			req.Log = os.Stderr
			b, err := newBuilder()
			if err != nil {
				return err
			}
			note("building " + req.Package)
			if _, err := b.Build(cmd.Context(), req); err != nil {
				return fmt.Errorf("build: %w", hintPackage(req.Package, err))
			}
			return nil
		},
	}
}

func newBuilder() (*gobuild.Builder, error) {
	p, err := port.New(doze.Sources)
	if err != nil {
		return nil, err
	}
	return &gobuild.Builder{Port: p}, nil
}

// embedFlag names the trees that an image carries.
const embedFlag = "embed"

// valueFlags are the flags of go build that take a value as the next argument.
var valueFlags = map[string]bool{
	"p": true, "covermode": true, "coverpkg": true, "asmflags": true, "buildmode": true,
	"compiler": true, "gccgoflags": true, "gcflags": true, "installsuffix": true, "ldflags": true, "mod": true,
	"modfile": true, "overlay": true, "pgo": true, "pkgdir": true, "tags": true, "toolexec": true, "C": true,
}

// buildFlags are those of go build that take no value.
var buildFlags = map[string]bool{
	"a": true, "v": true, "x": true, "n": true, "work": true, "trimpath": true, "race": true, "msan": true, "asan": true,
	"cover": true, "linkshared": true, "modcacherw": true, "buildvcs": true, "json": true,
}

// isSource says whether a package is named by a file of it.
func isSource(pkg string) bool { return strings.HasSuffix(pkg, ".go") }

// parseBuild splits the arguments of build: cobra can't, as the flags are those
// of another command.
func parseBuild(args []string) (req gobuild.Request, help bool, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case arg == "--":
			args, arg = nil, strings.Join(args, " ")
			fallthrough
		case !strings.HasPrefix(arg, "-"):
			if isSource(req.Package) && isSource(arg) {
				req.Files = append(req.Files, arg)
				continue
			}
			if req.Package != "" {
				return req, false, fmt.Errorf("build: one package at a time: %s and %s were given", req.Package, arg)
			}
			req.Package = arg
		case name == "h", name == "help":
			return req, true, nil
		case name == "o", name == embedFlag, valueFlags[name]:
			if !hasValue {
				if len(args) == 0 {
					return req, false, fmt.Errorf("build: flag %s needs a value", arg)
				}
				value, args = args[0], args[1:]
			}
			switch name {
			case "o":
				req.Output = value
			case embedFlag:
				tree, err := embed.Parse(value)
				if err != nil {
					return req, false, fmt.Errorf("build: %w", err)
				}
				req.Embed = append(req.Embed, tree)
			default:
				req.Flags = append(req.Flags, "-"+name+"="+value)
			}
		default:
			req.Flags = append(req.Flags, arg)
		}
	}
	if req.Package == "" {
		return req, false, errors.New("build: no package given: doze build [-o IMAGE] PACKAGE")
	}
	return req, false, nil
}
