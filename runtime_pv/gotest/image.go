package gotest

import (
	"os"

	"github.com/doze-vm/doze/kernel/boot"
	"github.com/doze-vm/doze/runtime_pv/embed"
	"github.com/doze-vm/doze/runtime_pv/image"
)

// WriteImage makes an image of a test binary with the files that its test may
// read and the trees given, at path. It returns the image's size, which is about
// what it takes of a machine's memory.
func (p Place) WriteImage(binary, path string, extra []embed.Tree) (uint64, error) {
	tree, _, err := embed.Archive(append(p.Trees(), extra...))
	if err != nil {
		return 0, err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return 0, err
	}
	data, err := image.Convert(program, boot.Blob, tree)
	if err != nil {
		return 0, err
	}
	return uint64(len(data)), image.WriteFile(path, data)
}
