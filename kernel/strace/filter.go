package strace

import "github.com/doze-vm/doze/kernel/linux"

// Filter is a set of calls.
type Filter struct {
	calls [(linux.Calls + 63) / 64]uint64
}

// Has reports whether a call is in the set.
func (f *Filter) Has(nr uintptr) bool { return nr < linux.Calls && f.calls[nr/64]>>(nr%64)&1 != 0 }

// Set makes the set that a list names, as strace's -e trace does: calls and classes with
// commas in between, "all", "none"; a class may have a % before it; a ! before the list
// takes all others. It returns the first
// word that means nothing.
func (f *Filter) Set(list string) (unknown string, ok bool) {
	*f = Filter{}
	others := len(list) > 0 && list[0] == '!'
	if others {
		list = list[1:]
	}
	for {
		word, rest, more := cut(list)
		if !f.add(word) {
			return word, false
		}
		if list = rest; !more {
			break
		}
	}
	if others {
		for i := range f.calls {
			f.calls[i] = ^f.calls[i]
		}
	}
	return "", true
}

// cut returns what is before and behind the first comma.
func cut(s string) (before, behind string, found bool) {
	for i := 0; i < len(s); i++ {
		if s[i] == ',' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func (f *Filter) add(word string) bool {
	if nr, ok := linux.NumberOf(word); ok {
		f.calls[nr/64] |= 1 << (nr % 64)
		return true
	}
	if word == "none" {
		return true
	}
	all := word == "all"
	if len(word) > 0 && word[0] == '%' {
		word = word[1:]
	}
	class, ok := linux.ClassOf(word)
	if !ok && !all {
		return false
	}
	for nr := uintptr(0); nr < linux.Calls; nr++ {
		if c := linux.CallOf(nr); all || c != nil && c.Class&class != 0 {
			f.calls[nr/64] |= 1 << (nr % 64)
		}
	}
	return true
}
