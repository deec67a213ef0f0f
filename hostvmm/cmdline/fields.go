package cmdline

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
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

// take sets the field if the word is its own.
func (f field) take(l *Line, word string) (ok bool, err error) {
	v := reflect.ValueOf(l).Elem().FieldByIndex(f.index)
	if v.Kind() == reflect.Bool {
		if word == f.word {
			v.SetBool(true)
		}
		return word == f.word, nil
	}
	text, ok := strings.CutPrefix(word, f.word+"=")
	if !ok {
		return false, nil
	}
	var n uint64
	switch to := v.Addr().Interface().(type) {
	case *[]string:
		*to = append(*to, text)
	case *string:
		*to = text
	case *time.Time:
		var ns int64
		ns, err = strconv.ParseInt(text, 10, 64)
		*to = time.Unix(0, ns)
	case *int:
		if n, err = strconv.ParseUint(text, 10, 31); n == 0 && err == nil {
			err = strconv.ErrRange
		}
		*to = int(n)
	case *uint64:
		*to, err = strconv.ParseUint(text, 10, 64)
	}
	if err != nil {
		err = fmt.Errorf("command line: %s=%s: %w", f.word, text, err)
	}
	return true, err
}
