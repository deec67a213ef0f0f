// Command stores writes 10,000 records into each of some databases, closes it, opens it
// again, reads them all and has the store check itself. Meanwhile it opens it a second time,
// and prints what the store says to that. Its argument names one of them.
package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/cockroachdb/pebble"
	badger "github.com/dgraph-io/badger/v4"
	"github.com/syndtr/goleveldb/leveldb"
	bolt "go.etcd.io/bbolt"
	_ "modernc.org/sqlite"
)

const n = 10000

func key(i int) []byte { return []byte(fmt.Sprintf("key-%06d", i*7919%n)) }
func val(i int) []byte { return []byte(fmt.Sprintf("value-%d-%0100d", i*7919%n, i)) }

func must(err error) {
	if err != nil {
		debug.PrintStack()
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
}

func main() {
	dir, err := os.MkdirTemp("", "db")
	must(err)
	defer os.RemoveAll(dir)
	for _, s := range []struct {
		name string
		f    func(dir string)
	}{{"bbolt", useBolt}, {"sqlite", useSQLite}, {"goleveldb", useLevel}, {"pebble", usePebble}, {"badger", useBadger}, {"bleve", useBleve}} {
		if len(os.Args) > 1 && os.Args[1] != s.name {
			continue
		}
		d := filepath.Join(dir, s.name)
		must(os.Mkdir(d, 0o755))
		s.f(d)
		fmt.Println("stores:", s.name, "is whole")
		os.RemoveAll(d)
	}
}

// twice prints what came of a second open, without the names of folders.
func twice(dir string, err error) {
	if err == nil {
		fmt.Println("second open: granted")
		return
	}
	fmt.Println("second open:", strings.ReplaceAll(err.Error(), dir, "DIR"))
}

func useBolt(dir string) {
	db, err := bolt.Open(dir+"/b", 0o600, &bolt.Options{MmapFlags: 0x8000})
	must(err)
	for c := 0; c < n; c += 1000 {
		must(db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			must(err)
			for i := c; i < c+1000; i++ {
				must(b.Put(key(i), val(i)))
			}
			return nil
		}))
	}
	must(db.Close())
	db, err = bolt.Open(dir+"/b", 0o600, nil)
	must(err)
	_, again := bolt.Open(dir+"/b", 0o600, &bolt.Options{Timeout: 100 * time.Millisecond})
	twice(dir, again)
	must(db.View(func(tx *bolt.Tx) error {
		for e := range tx.Check() {
			must(e)
		}
		for i := 0; i < n; i++ {
			if string(tx.Bucket([]byte("b")).Get(key(i))) != string(val(i)) {
				must(fmt.Errorf("record %d", i))
			}
		}
		return nil
	}))
	must(db.Close())
}

func useSQLite(dir string) {
	open := func() *sql.DB {
		db, err := sql.Open("sqlite", "file:"+dir+"/s?_pragma=journal_mode(wal)&_pragma=mmap_size(268435456)")
		must(err)
		return db
	}
	db := open()
	_, err := db.Exec("create table t (k text primary key, v text)")
	must(err)
	tx, err := db.Begin()
	must(err)
	for i := 0; i < n; i++ {
		_, err = tx.Exec("insert into t values (?, ?)", string(key(i)), string(val(i)))
		must(err)
	}
	must(tx.Commit())
	_, err = db.Exec("update t set v = v || 'x' where k = 'key-000001'")
	must(err)
	must(db.Close())
	db = open()
	var mode, check string
	must(db.QueryRow("pragma journal_mode").Scan(&mode))
	must(db.QueryRow("pragma integrity_check").Scan(&check))
	var c int
	must(db.QueryRow("select count(*) from t").Scan(&c))
	if check != "ok" || c != n || mode != "wal" {
		must(fmt.Errorf("%s %d %s", check, c, mode))
	}
	must(db.Close())
}

func useLevel(dir string) {
	db, err := leveldb.OpenFile(dir, nil)
	must(err)
	for i := 0; i < n; i++ {
		must(db.Put(key(i), val(i), nil))
	}
	must(db.Close())
	db, err = leveldb.OpenFile(dir, nil)
	must(err)
	_, again := leveldb.OpenFile(dir, nil)
	twice(dir, again)
	for i := 0; i < n; i++ {
		v, err := db.Get(key(i), nil)
		must(err)
		if string(v) != string(val(i)) {
			must(fmt.Errorf("record %d", i))
		}
	}
	must(db.Close())
}

func usePebble(dir string) {
	open := func() *pebble.DB { db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}}); must(err); return db }
	db := open()
	for i := 0; i < n; i++ {
		must(db.Set(key(i), val(i), pebble.NoSync))
	}
	must(db.Flush())
	must(db.Close())
	db = open()
	_, again := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
	twice(dir, again)
	for i := 0; i < n; i++ {
		v, c, err := db.Get(key(i))
		must(err)
		if string(v) != string(val(i)) {
			must(fmt.Errorf("record %d", i))
		}
		c.Close()
	}
	must(db.CheckLevels(nil))
	must(db.Close())
}

type quiet struct{}

func (quiet) Infof(string, ...any)      {}
func (quiet) Errorf(f string, a ...any) { fmt.Printf(f+"\n", a...) }
func (quiet) Fatalf(f string, a ...any) { must(fmt.Errorf(f, a...)) }

func useBadger(dir string) {
	open := func() *badger.DB {
		db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil).WithValueLogFileSize(16 << 20).WithMemTableSize(8 << 20).WithBlockCacheSize(8 << 20).WithNumMemtables(2))
		must(err)
		return db
	}
	db := open()
	_, again := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	twice(dir, again)
	for c := 0; c < n; c += 500 {
		must(db.Update(func(tx *badger.Txn) error {
			for i := c; i < c+500; i++ {
				must(tx.Set(key(i), val(i)))
			}
			return nil
		}))
	}
	must(db.Sync())
	must(db.Close())
	db = open()
	must(db.View(func(tx *badger.Txn) error {
		for i := 0; i < n; i++ {
			it, err := tx.Get(key(i))
			must(err)
			must(it.Value(func(v []byte) error {
				if string(v) != string(val(i)) {
					must(fmt.Errorf("record %d", i))
				}
				return nil
			}))
		}
		return nil
	}))
	must(db.VerifyChecksum())
	must(db.Close())
}

func useBleve(dir string) {
	ix, err := bleve.New(dir+"/x", bleve.NewIndexMapping())
	must(err)
	for c := 0; c < n; c += 1000 {
		b := ix.NewBatch()
		for i := c; i < c+1000; i++ {
			must(b.Index(string(key(i)), map[string]string{"body": fmt.Sprint("number ", i)}))
		}
		must(ix.Batch(b))
	}
	must(ix.Close())
	ix, err = bleve.Open(dir + "/x")
	must(err)
	k, err := ix.DocCount()
	must(err)
	r, err := ix.Search(bleve.NewSearchRequest(bleve.NewMatchQuery("number")))
	must(err)
	if k != n || r.Total != n {
		must(fmt.Errorf("%d documents, %d found", k, r.Total))
	}
	must(ix.Close())
}
