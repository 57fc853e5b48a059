// SPDX-License-Identifier: GPL-2.0-or-later

// An application whose pools are database/sql's, told what to do with them; see
// tests/e2e/gopool.py.  Its argument is the driver: postgres, pgx or mysql.  Pools are
// numbered as they are opened, what was borrowed is kept.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

type pool struct {
	db    *sql.DB
	conns []*sql.Conn
	kept  []interface{} // leaked: never closed, never collected
}

var (
	ctx   = context.Background()
	pools []*pool
	other []interface{}
	hoard []*sql.DB
)

func said(err error) string {
	if err != nil {
		return "error - " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return "ok"
}

// The PostgreSQL drivers read the environment themselves; "database" stands in for its own.
func where(database string) string {
	if os.Args[1] == "mysql" {
		if database == "" {
			database = os.Getenv("DB_NAME")
		}
		return os.ExpandEnv("$DB_USER:$DB_PASSWORD@tcp($DB_HOST:$DB_PORT)/") + database
	}
	if database == "" {
		return ""
	}
	return "dbname=" + database
}

func (p *pool) borrow() error {
	c, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	// Asked something, so that it is a connection that was used.
	_, err = c.ExecContext(ctx, "select 1")
	p.conns = append(p.conns, c)
	return err
}

func (p *pool) leak(what string) error {
	switch what {
	case "rows":
		rows, err := p.db.Query("select 1 union all select 2")
		p.kept = append(p.kept, rows)
		return err
	case "tx":
		tx, err := p.db.Begin()
		p.kept = append(p.kept, tx)
		return err
	case "conn":
		return p.borrow()
	}
	return fmt.Errorf("cannot leak %s", what)
}

// Each has one of its own for a while: as many as there may be, and the rest wait.
func (p *pool) crowd(n int, d time.Duration) error {
	var all sync.WaitGroup
	var failed error
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			c, err := p.db.Conn(ctx)
			if err == nil {
				_, err = c.ExecContext(ctx, "select 1")
				time.Sleep(d)
				_ = c.Close()
			}
			if err != nil {
				failed = err
			}
		}()
	}
	all.Wait()
	return failed
}

func (p *pool) spin(d time.Duration) (int, error) {
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		if _, err := p.db.Exec("select 1"); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Memory that answers nobody: a fault in it waits for a reply that does not come.
func stuck() (uintptr, error) {
	const userfaultfd = 323 // on x86-64
	fd, _, e := syscall.Syscall(userfaultfd, 0, 0, 0)
	if e != 0 {
		return 0, e
	}
	memory, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return 0, err
	}
	at := uintptr(unsafe.Pointer(&memory[0]))
	api := [3]uint64{0xaa}
	register := [4]uint64{uint64(at), 4096, 1, 0} // faults on missing pages
	_, _, e = syscall.Syscall(syscall.SYS_IOCTL, fd, 0xc018aa3f, uintptr(unsafe.Pointer(&api)))
	if e == 0 {
		_, _, e = syscall.Syscall(syscall.SYS_IOCTL, fd, 0xc020aa00,
			uintptr(unsafe.Pointer(&register)))
	}
	if e != 0 {
		return 0, e
	}
	return at, nil
}

// What stands in the sql.DB is no longer true; the pool is of no use after that.
func corrupt(db *sql.DB, how string) error {
	field := func(name string) unsafe.Pointer {
		f, _ := reflect.TypeOf(*db).FieldByName(name)
		return unsafe.Pointer(uintptr(unsafe.Pointer(db)) + f.Offset)
	}
	list, open := (*[3]uintptr)(field("freeConn")), (*int)(field("numOpen"))
	switch how {
	case "list": // of five hundred that lie nowhere
		*open = 1000
		*list = [3]uintptr{0xdead000, 500, 1000}
	case "count":
		*open = 1 << 60
	case "stuck":
		at, err := stuck()
		if err != nil {
			return err
		}
		*open, *list = 100, [3]uintptr{at, 100, 100}
	}
	return nil
}

func stats() string {
	var all []sql.DBStats
	for _, p := range pools {
		all = append(all, p.db.Stats())
	}
	text, _ := json.Marshal(all)
	return "ok " + string(text)
}

func number(words []string, i int) int {
	if i >= len(words) {
		return 0
	}
	n, _ := strconv.Atoi(words[i])
	return n
}

func obey(line string) string {
	words := strings.Fields(line)
	if words[0] == "open" { // MAX_OPEN MAX_IDLE [DATABASE]
		database := ""
		if len(words) > 3 {
			database = words[3]
		}
		db, err := sql.Open(os.Args[1], where(database))
		if err != nil {
			return said(err)
		}
		db.SetMaxOpenConns(number(words, 1))
		db.SetMaxIdleConns(number(words, 2))
		pools = append(pools, &pool{db: db})
		return "ok"
	}
	if words[0] == "hoard" { // MEGABYTES: what is made next lies behind as many of its kind
		n := number(words, 1) << 20 / int(unsafe.Sizeof(sql.DB{}))
		for i := 0; i < n; i++ {
			hoard = append(hoard, new(sql.DB))
		}
		return "ok"
	}
	if words[0] == "stats" {
		return stats()
	}
	if words[0] == "listen" { // a connection of lib/pq's that is in no pool
		l := pq.NewListener(where("") + " sslmode=disable", time.Second, time.Second, nil)
		other = append(other, l)
		return said(l.Listen("something"))
	}
	p := pools[number(words, 1)]
	switch words[0] {
	case "borrow": // POOL N
		for i := 0; i < number(words, 2); i++ {
			if err := p.borrow(); err != nil {
				return said(err)
			}
		}
		return "ok"
	case "return": // POOL: all of them
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.conns = nil
		return "ok"
	case "ping":
		return said(p.db.Ping())
	case "leak": // POOL rows|tx|conn
		return said(p.leak(words[2]))
	case "crowd": // POOL N MILLISECONDS
		return said(p.crowd(number(words, 2), time.Duration(number(words, 3))*time.Millisecond))
	case "queue": // POOL N: as many wait for one, for ever if need be
		for i := 0; i < number(words, 2); i++ {
			go func() {
				_, _ = p.db.Exec("select 1")
			}()
		}
		return "ok"
	case "spin": // POOL MILLISECONDS
		n, err := p.spin(time.Duration(number(words, 2)) * time.Millisecond)
		if err != nil {
			return said(err)
		}
		return "ok " + strconv.Itoa(n)
	case "busy": // POOL N: for ever
		for i := 0; i < number(words, 2); i++ {
			go func() {
				for {
					_, _ = p.db.Exec("select 1")
				}
			}()
		}
		return "ok"
	case "corrupt": // POOL list|count|stuck
		return said(corrupt(p.db, words[2]))
	case "close":
		return said(p.db.Close())
	}
	return "error - unknown word " + words[0]
}

func main() {
	fmt.Println("ok")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "quit" {
			return
		}
		fmt.Println(obey(in.Text()))
	}
}
