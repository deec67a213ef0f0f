package image

import (
	"io"

	"github.com/doze-vm/doze/runtime_pv/outfile"
)

// WriteFile writes an image to path: a file whole or not at all.
func WriteFile(path string, data []byte) error {
	return outfile.Write(path, 0o755, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
