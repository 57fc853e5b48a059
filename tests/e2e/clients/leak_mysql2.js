// SPDX-License-Identifier: GPL-2.0-or-later
// An application on mysql2 that does as it is told; see lib/client.py.
"use strict";
const mysql = require("mysql2/promise");
const { first, message, obeyLines } = require("./told.js");

const options = {
	host: process.env.DB_HOST, port: Number(process.env.DB_PORT), user: process.env.DB_USER,
	password: process.env.DB_PASSWORD, database: process.env.DB_NAME,
	compress: "DB_COMPRESS" in process.env,
};
let named;

async function atWork() {
	const c = await mysql.createConnection(options);
	return async () => {
		await c.beginTransaction();
		await c.query("select count(*) from account");
		await c.commit();
	};
}

async function main() {
	const db = await mysql.createConnection(options);
	const run = async (sql, how = "query") => {
		try {
			const [rows] = await db[how](sql);
			return `ok ${first(rows)}`;
		} catch (e) {
			return `error ${e.sqlState || "-"} ${message(e)}`;
		}
	};

	db.on("error", () => {});
	await obeyLines(run, atWork, {
		prepared: sql => run(sql, "execute"),
		prepare: sql => run(named = sql, "execute"),
		execute: () => run(named, "execute"),
		manual: () => run("set autocommit = 0"),
		auto: () => run("set autocommit = 1"),
		backend: () => `ok ${db.threadId}`,
	});
}

main();
