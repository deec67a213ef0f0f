package cmdline

import (
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// A field of Line, or of the vm.Config in it, that has a tag `word:"NAME"` is a word
// NAME=VALUE of the command line. `word:"NAME=VALUE"` is a flag's: the word is there
// if it is set. A field without a value is not written; one of several values is
// a word for each.
type field struct {
	word  string
	index []int
}

// fields are those of a line, in its order.
var fields = func() (all []field) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Line]()) {
		if word := f.Tag.Get("word"); word != "" {
			all = append(all, field{word, f.Index})
		}
	}
	return all
}()

// Words are the names of all words that a line can have.
func Words() (words []string) {
	for _, f := range fields {
		words = append(words, f.word)
	}
	return words
}

// write returns the words of the field.
func (f field) write(l *Line) (words []string) {
	v := reflect.ValueOf(l).Elem().FieldByIndex(f.index)
	if v.IsZero() {
		return nil
	}
	switch v := v.Interface().(type) {
	case []string:
		for _, s := range v {
			words = append(words, f.word+"="+s)
		}
	case string:
		words = append(words, f.word+"="+v)
	case bool:
		words = append(words, f.word)
	case time.Time:
		words = append(words, f.word+"="+strconv.FormatInt(v.UnixNano(), 10))
	default:
		words = append(words, fmt.Sprintf("%s=%d", f.word, v))
	}
	return words
}
