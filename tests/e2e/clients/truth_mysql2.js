// SPDX-License-Identifier: GPL-2.0-or-later
// The truth set on mysql2 and its pool; see truth.py.
"use strict";
const mysql = require("mysql2/promise");
const { SQL, common, forget, forgotten, leakAmong, run, sleep } = require("./truth.js");

const made = ({ max = 20 } = {}) => mysql.createPool({
	host: process.env.DB_HOST, port: Number(process.env.DB_PORT), user: process.env.DB_USER,
	password: process.env.DB_PASSWORD, database: process.env.DB_NAME, connectionLimit: max,
});
const borrow = p => p.getConnection();
const begin = c => c.beginTransaction();
const commit = c => c.commit();
const backend = c => c.threadId;

run({
	...common({ made, borrow, begin, commit, backend }),
	// ---- that leak
	txn: async () => {
		const p = made();
		await leakAmong(() => p.query(SQL), async () => {
			const c = await borrow(p);
			await begin(c);
			await c.query(SQL);
			forget("idle-in-txn", c, backend(c));
		}, 3);
	},
	unread: async () => {
		const p = made(), c = await borrow(p);
		const rows = c.connection.query("select repeat('x', 1000) from seq_1_to_20000").stream();
		rows.once("data", () => rows.pause());
		await sleep(500);
		forget("unread", c, backend(c));
		forgotten.push(rows);
	},
});
