// SPDX-License-Identifier: GPL-2.0-or-later

// The truth set on database/sql, with the driver (postgres, pgx or mysql) as first
// argument and the mode as second; see truth.py.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"log"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

const ask = "select count(*) from account"

var (
	ctx       = context.Background()
	grace     = seconds(os.Getenv("TRUTH_GRACE"))
	driver    = os.Args[1]
	forgotten []interface{}
)

func seconds(s string) time.Duration {
	f, _ := strconv.ParseFloat(s, 64)
	return time.Duration(f * float64(time.Second))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// The PostgreSQL drivers read the environment themselves.
func open(maxOpen, maxIdle int) *sql.DB {
	where := ""
	if driver == "mysql" {
		where = os.ExpandEnv("$DB_USER:$DB_PASSWORD@tcp($DB_HOST:$DB_PORT)/$DB_NAME")
	}
	db, err := sql.Open(driver, where)
	must(err)
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(maxIdle)
	return db
}

// What is the whole pool's has no backend.
func leaked(kind string, backend interface{}) {
	_ = json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"kind": kind, "backend": backend, "at": float64(time.Now().UnixMicro()) / 1e6})
}

func backendSQL() string {
	if driver == "mysql" {
		return "select connection_id()"
	}
	return "select pg_backend_pid()"
}

func about(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int63n(int64(d)))
}

func forEver(step func(), pause time.Duration) {
	for {
		step()
		time.Sleep(about(pause))
	}
}

func op(db *sql.DB) {
	var n int
	must(db.QueryRow(ask).Scan(&n))
}

func hold(db *sql.DB, d time.Duration) {
	c, err := db.Conn(ctx)
	must(err)
	_, err = c.ExecContext(ctx, ask)
	must(err)
	time.Sleep(d)
	_, err = c.ExecContext(ctx, ask)
	must(err)
	must(c.Close())
}

func crowd(n int, work func()) {
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			work()
		}()
	}
	all.Wait()
}

func leakAmong(db *sql.DB, n int, leak func()) {
	for i := 0; i < 5; i++ {
		op(db)
	}
	for i := 0; i < n; i++ {
		leak()
		time.Sleep(350 * time.Millisecond)
		op(db)
		time.Sleep(50 * time.Millisecond)
	}
	forEver(func() { op(db) }, 200*time.Millisecond)
}

func bursts(db *sql.DB, d time.Duration) {
	for {
		for _, n := range []int{4, 12, 7, 16, 2} {
			crowd(n, func() { hold(db, d) })
			for i := 0; i < 10; i++ {
				op(db)
				time.Sleep(about(50 * time.Millisecond))
			}
			time.Sleep(about(2 * grace))
		}
	}
}

// ---- that leak

func leakTx(db *sql.DB) {
	tx, err := db.Begin()
	must(err)
	var backend int
	must(tx.QueryRow(backendSQL()).Scan(&backend))
	forgotten = append(forgotten, tx)
	leaked("idle-in-txn", backend)
}

func leakConn(db *sql.DB) {
	c, err := db.Conn(ctx)
	must(err)
	var backend int
	must(c.QueryRowContext(ctx, backendSQL()).Scan(&backend))
	forgotten = append(forgotten, c)
	leaked("held", backend)
}

// All of the few rows have arrived, some in the driver's buffer.
func leakRows(db *sql.DB) {
	var backend int
	rows, err := db.Query(backendSQL() + " union all select 1 union all select 2")
	must(err)
	rows.Next()
	must(rows.Scan(&backend))
	forgotten = append(forgotten, rows)
	leaked("held", backend)
}

// More than any buffer takes.
func leakManyRows(db *sql.DB) {
	many := "select i, repeat('x', 1000) from generate_series(1, 20000) i"
	if driver == "mysql" {
		many = "select seq, repeat('x', 1000) from seq_1_to_20000"
	}
	c, err := db.Conn(ctx)
	must(err)
	var backend int
	must(c.QueryRowContext(ctx, backendSQL()).Scan(&backend))
	rows, err := c.QueryContext(ctx, many)
	must(err)
	rows.Next()
	forgotten = append(forgotten, c, rows)
	leaked("unread", backend)
}

func leaking(n int, leak func(*sql.DB)) func() {
	return func() {
		db := open(60, 10)
		leakAmong(db, n, func() { leak(db) })
	}
}

// The pool is asked, so even the last of it is found.
func exhausted() {
	db := open(4, 4)
	op(db)
	for i := 0; i < 4; i++ {
		leakConn(db)
	}
	op(db)
}

// A pool for each piece of work, and none is closed.
func poolEach() {
	for i := 0; i < 24; i++ {
		var backend int
		db := open(5, 2)
		must(db.QueryRow(backendSQL()).Scan(&backend))
		forgotten = append(forgotten, db)
		leaked("held", backend)
		time.Sleep(350 * time.Millisecond)
	}
	leaked("growth", nil)
}

// ---- that do not

func busy() {
	db := open(20, 4)
	crowd(6, func() { forEver(func() { op(db) }, 100*time.Millisecond) })
}

func burst() {
	db := open(20, 3)
	bursts(db, 300*time.Millisecond)
}

// As many idle as there may be: most of them rest most of the time.
func reserve() {
	db := open(20, 20)
	bursts(db, 300*time.Millisecond)
}

func lifetimes() {
	db := open(10, 10)
	db.SetConnMaxLifetime(5 * time.Second)
	db.SetConnMaxIdleTime(3 * time.Second)
	crowd(3, func() { forEver(func() { hold(db, 100*time.Millisecond) }, 400*time.Millisecond) })
}

func twoPools() {
	quiet, lively := open(10, 10), open(20, 20)
	go forEver(func() { crowd(3, func() { hold(quiet, 300*time.Millisecond) }) }, 4*grace)
	bursts(lively, 300*time.Millisecond)
}

func steps() {
	db := open(10, 2)
	forEver(func() {
		tx, err := db.Begin()
		must(err)
		for i := 0; i < 10; i++ {
			_, err = tx.Exec(ask)
			must(err)
			time.Sleep(grace * 2 / 5)
		}
		must(tx.Commit())
	}, 100*time.Millisecond)
}

// Each row is worked with for a while.
func slowRows() {
	db := open(10, 2)
	many := "select repeat('x', 1000) from generate_series(1, 300)"
	if driver == "mysql" {
		many = "select repeat('x', 1000) from seq_1_to_300"
	}
	forEver(func() {
		rows, err := db.Query(many)
		must(err)
		for rows.Next() {
			time.Sleep(grace / 30)
		}
		must(rows.Close())
	}, 100*time.Millisecond)
}

func listen() {
	db := open(5, 2)
	l := pq.NewListener("sslmode=disable", time.Second, time.Second, nil)
	must(l.Listen("go"))
	go func() {
		for range l.Notify {
		}
	}()
	forEver(func() { _, _ = db.Exec("notify go") }, 2*grace)
}

var modes = map[string]func(){
	"tx": leaking(4, leakTx), "conn": leaking(8, leakConn), "rows": leaking(4, leakRows),
	"many-rows": leaking(2, leakManyRows), "exhausted": exhausted, "pool-each": poolEach,
	"busy": busy, "burst": burst, "reserve": reserve, "lifetimes": lifetimes,
	"two-pools": twoPools, "steps": steps, "slow-rows": slowRows, "listen": listen,
}

func main() {
	_, _ = os.Stdout.WriteString("{}\n")
	_, _ = os.Stdin.Read(make([]byte, 1))
	modes[os.Args[2]]()
	select {}
}
