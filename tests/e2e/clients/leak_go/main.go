// SPDX-License-Identifier: GPL-2.0-or-later

// An application on database/sql with lib/pq, pgx or go-sql-driver/mysql that does as it
// is told; see lib/client.py.  Its argument is the driver: postgres, pgx or mysql.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgconn"
	_ "github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

type app struct {
	pool *sql.DB
	conn *sql.Conn // one connection of the pool, kept to tell whether it survives
	tx   *sql.Tx
	stmt *sql.Stmt
}

var ctx = context.Background()

func fault(err error) string {
	state := "-"
	var p *pq.Error
	var g *pgconn.PgError
	var m *mysql.MySQLError
	if errors.As(err, &p) {
		state = string(p.Code)
	} else if errors.As(err, &g) {
		state = g.Code
	} else if errors.As(err, &m) {
		state = strconv.Itoa(int(m.Number))
	}
	return "error " + state + " " + strings.ReplaceAll(err.Error(), "\n", " ")
}

func said(err error) string {
	if err != nil {
		return fault(err)
	}
	return "ok"
}

func (a *app) query(text string) string {
	var rows *sql.Rows
	var err error
	if a.tx != nil {
		rows, err = a.tx.QueryContext(ctx, text)
	} else {
		rows, err = a.conn.QueryContext(ctx, text)
	}
	if err != nil {
		return fault(err)
	}
	defer rows.Close()
	first := ""
	if columns, _ := rows.Columns(); len(columns) > 0 && rows.Next() {
		if err := rows.Scan(&first); err != nil {
			return fault(err)
		}
	}
	for rows.Next() {
	}
	if rows.Err() != nil {
		return fault(rows.Err())
	}
	return "ok " + first
}

func (a *app) prepared(text string) string {
	s, err := a.conn.PrepareContext(ctx, text)
	if err != nil {
		return fault(err)
	}
	defer s.Close()
	rows, err := s.QueryContext(ctx)
	if err != nil {
		return fault(err)
	}
	defer rows.Close()
	for rows.Next() {
	}
	return said(rows.Err())
}

// On the connection, whatever transaction is open there: it is not prepared again.
func (a *app) execute() string {
	rows, err := a.stmt.QueryContext(ctx)
	if err != nil {
		return fault(err)
	}
	defer rows.Close()
	for rows.Next() {
	}
	return said(rows.Err())
}

func (a *app) end(word string, how func(*sql.Tx) error) string {
	if a.tx == nil && os.Args[1] == "mysql" {
		_, err := a.conn.ExecContext(ctx, word)
		return said(err)
	}
	if a.tx == nil {
		return "ok no transaction"
	}
	err := how(a.tx)
	a.tx = nil
	return said(err)
}

func (a *app) busy() {
	for {
		tx, err := a.pool.BeginTx(ctx, nil)
		if err != nil {
			return
		}
		var n int
		_ = tx.QueryRowContext(ctx, "select count(*) from account").Scan(&n)
		// Together for a moment, so that each needs a connection of its own.
		time.Sleep(5 * time.Millisecond)
		_ = tx.Commit()
		time.Sleep(20 * time.Millisecond)
	}
}

func (a *app) obey(word, rest string) string {
	var err error
	switch word {
	case "begin":
		a.tx, err = a.conn.BeginTx(ctx, nil)
		return said(err)
	case "commit":
		return a.end(word, (*sql.Tx).Commit)
	case "rollback":
		return a.end(word, (*sql.Tx).Rollback)
	case "query":
		return a.query(rest)
	case "prepared":
		return a.prepared(rest)
	case "prepare":
		a.stmt, err = a.conn.PrepareContext(ctx, rest)
		return said(err)
	case "execute":
		return a.execute()
	case "manual", "auto":
		on := map[string]string{"manual": "0", "auto": "1"}[word]
		_, err = a.conn.ExecContext(ctx, "set autocommit = "+on)
		return said(err)
	case "backend":
		if os.Args[1] == "mysql" {
			return a.query("select connection_id()")
		}
		return a.query("select pg_backend_pid()::text")
	case "busy":
		n, _ := strconv.Atoi(rest)
		for i := 0; i < n; i++ {
			go a.busy()
		}
		return "ok"
	}
	return "error - unknown word " + word
}

// The PostgreSQL drivers read the environment themselves.
func where() string {
	if os.Args[1] != "mysql" {
		return ""
	}
	return os.ExpandEnv("$DB_USER:$DB_PASSWORD@tcp($DB_HOST:$DB_PORT)/$DB_NAME$DB_OPTIONS")
}

func main() {
	pool, err := sql.Open(os.Args[1], where())
	if err != nil {
		fmt.Println(fault(err))
		return
	}
	a := app{pool: pool}
	if a.conn, err = pool.Conn(ctx); err != nil {
		fmt.Println(fault(err))
		return
	}
	fmt.Println("ok")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word, rest := in.Text(), ""
		if at := strings.IndexByte(word, ' '); at >= 0 {
			word, rest = word[:at], word[at+1:]
		}
		if word == "quit" {
			return
		}
		fmt.Println(a.obey(word, rest))
	}
}
