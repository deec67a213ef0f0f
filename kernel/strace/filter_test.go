package strace

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/doze-vm/doze/kernel/linux"
)

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		list     string
		has, not []uintptr
		unknown  string // not to be known
	}{
		{"all", []uintptr{linux.SysRead, linux.SysSocket, linux.Calls - 1}, []uintptr{linux.Calls}, ""},
		{"none", nil, []uintptr{linux.SysRead}, ""},
		{"file", []uintptr{linux.SysOpenat, linux.SysUnlinkat}, []uintptr{linux.SysRead}, ""},
		{"%file,read", []uintptr{linux.SysOpenat, linux.SysRead}, []uintptr{linux.SysWrite}, ""},
		{"network,memory", []uintptr{linux.SysSocket, linux.SysMmap}, []uintptr{linux.SysFutex}, ""},
		{"!futex,clock", []uintptr{linux.SysRead}, []uintptr{linux.SysFutex, linux.SysNanosleep, linux.Calls, linux.Calls + 100}, ""},
		{"read,fish", nil, nil, "fish"},
		{"%read", nil, nil, "%read"},
		{"", nil, nil, ""},
		{"read,", nil, nil, ""},
		{"!", nil, nil, ""},
	} {
		var f Filter
		unknown, ok := f.Set(c.list)
		assert.Equal(t, c.has != nil || c.not != nil, ok, c.list)
		assert.Equal(t, c.unknown, unknown, c.list)
		for _, nr := range c.has {
			assert.True(t, f.Has(nr), "%s: %d", c.list, nr)
		}
		for _, nr := range c.not {
			assert.False(t, f.Has(nr), "%s: %d", c.list, nr)
		}
	}
}
