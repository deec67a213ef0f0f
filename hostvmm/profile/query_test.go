package profile

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm"
)

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		query   string
		d       time.Duration
		hz      int
		field   string
		because string
	}{
		{"", 10 * time.Second, 99, "", ""},
		{"seconds=1&hz=1000", time.Second, 1000, "", ""},
		{"seconds=300&hz=1", 300 * time.Second, 1, "", ""},
		{"seconds=0", 0, 0, "seconds", "0 is out of range: use 1 to 300"},
		{"seconds=301", 0, 0, "seconds", "301 is out of range"},
		{"seconds=-5", 0, 0, "seconds", "-5 is out of range"},
		{"seconds=1.5", 0, 0, "seconds", `"1.5" is not a whole number`},
		{"seconds=", 0, 0, "seconds", `"" is not a whole number`},
		{"seconds=99999999999999999999", 0, 0, "seconds", "is not a whole number"},
		{"hz=0", 0, 0, "hz", "0 is out of range: use 1 to 1000"},
		{"hz=1001", 0, 0, "hz", "1001 is out of range"},
		{"hz=9&hz=9", 0, 0, "hz", "it is given twice"},
		{"freq=9", 0, 0, "freq", "no such field: use seconds and hz"},
	} {
		t.Run(c.query, func(t *testing.T) {
			q, err := url.ParseQuery(c.query)
			require.NoError(t, err)
			d, hz, err := ParseQuery(q)
			assert.Equal(t, c.d, d)
			assert.Equal(t, c.hz, hz)
			if c.field == "" {
				require.NoError(t, err)
				return
			}
			var wrong *FieldError
			require.ErrorAs(t, err, &wrong)
			assert.Equal(t, c.field, wrong.Field)
			assert.Contains(t, wrong.Error(), c.because)
		})
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("seconds=10&hz=99")
	f.Add("seconds=%31&hz=1e3&x")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		d, hz, err := ParseQuery(q)
		if err != nil {
			var wrong *FieldError
			require.ErrorAs(t, err, &wrong)
			return
		}
		require.True(t, d >= time.Second && d <= MaxSeconds*time.Second && hz >= 1 && hz <= MaxHz)
	})
}

// A machine takes whatever rate a query may have.
func TestRatesAgree(t *testing.T) {
	assert.Equal(t, hostvmm.MaxSampleHz, MaxHz)
	assert.Equal(t, hostvmm.DefaultSampleHz, DefaultHz)
	var _ Machine = (*hostvmm.Machine)(nil)
}
