// Package blob assembles the boot blob. Only `make boot` and the test that
// compares the committed blob use it; building an image must never need it.
package blob

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
)

// WriteABI writes the constants of package abi, source file src, as assembler
// symbols to file dst.
func WriteABI(src, dst string) error {
	text, err := ABI(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, text, 0o644)
}

// ABI returns the constants of package abi as assembler symbols, in the order
// of the source.
func ABI(src string) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, src, nil, 0)
	if err != nil {
		return nil, err
	}
	conf := types.Config{Importer: importer.Default()}
	pkg, err := conf.Check("abi", fset, []*ast.File{file}, nil)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("# Made from kernel/abi by `make boot`. Do not edit.\n")
	for _, decl := range file.Decls {
		for _, name := range constNames(decl) {
			v := pkg.Scope().Lookup(name).(*types.Const).Val()
			if v.Kind() != constant.Int {
				continue
			}
			u, ok := constant.Uint64Val(v)
			if !ok {
				return nil, fmt.Errorf("%s: constant %s does not fit 64 bits", src, name)
			}
			fmt.Fprintf(&out, "\t.set\t%s, %#x\n", name, u)
		}
	}
	return out.Bytes(), nil
}

func constNames(decl ast.Decl) []string {
	gen, ok := decl.(*ast.GenDecl)
	if !ok || gen.Tok != token.CONST {
		return nil
	}
	var names []string
	for _, spec := range gen.Specs {
		for _, id := range spec.(*ast.ValueSpec).Names {
			names = append(names, id.Name)
		}
	}
	return names
}

// Assemble returns the blob made from root/kernel/boot/asm and root/boot.ld. It
// needs as, ld and objcopy of GNU binutils.
func Assemble(root string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "doze-boot")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	asm := filepath.Join(root, "kernel/boot/asm")
	var objects []string
	for _, name := range []string{"boot", "nucleus"} {
		obj := filepath.Join(dir, name+".o")
		if err := tool("as", "--64", "-I", asm, "-o", obj, filepath.Join(asm, name+".s")); err != nil {
			return nil, err
		}
		objects = append(objects, obj)
	}
	elf, bin := filepath.Join(dir, "blob.elf"), filepath.Join(dir, "blob.bin")
	args := append([]string{"-T", filepath.Join(root, "boot.ld"), "--build-id=none", "-o", elf}, objects...)
	if err := tool("ld", args...); err != nil {
		return nil, err
	}
	if err := tool("objcopy", "-O", "binary", elf, bin); err != nil {
		return nil, err
	}
	return os.ReadFile(bin)
}

func tool(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
