// SPDX-License-Identifier: GPL-2.0-or-later

// An application on database/sql with lib/pq or pgx that does as it is told; see
// lib/client.py.  Its argument is the driver: postgres or pgx.
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

	"github.com/jackc/pgconn"
	_ "github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

type app struct {
	pool *sql.DB
	conn *sql.Conn // one connection of the pool, kept to tell whether it survives
	tx   *sql.Tx
}

var ctx = context.Background()

func fault(err error) string {
	state := "-"
	var p *pq.Error
	var g *pgconn.PgError
	if errors.As(err, &p) {
		state = string(p.Code)
	} else if errors.As(err, &g) {
		state = g.Code
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

func (a *app) end(how func(*sql.Tx) error) string {
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
		return a.end((*sql.Tx).Commit)
	case "rollback":
		return a.end((*sql.Tx).Rollback)
	case "query":
		return a.query(rest)
	case "backend":
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

func main() {
	pool, err := sql.Open(os.Args[1], "")
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
