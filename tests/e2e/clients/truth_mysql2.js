// SPDX-License-Identifier: GPL-2.0-or-later
// The truth set on mysql2 and its pool; see truth.py.
"use strict";
const mysql = require("mysql2/promise");
const { GRACE, SQL, burstsOf, forEver, forgotten, leakAmong, leaked, run, sleep } =
	require("./truth.js");

const made = (connectionLimit = 20) => mysql.createPool({
	host: process.env.DB_HOST, port: Number(process.env.DB_PORT), user: process.env.DB_USER,
	password: process.env.DB_PASSWORD, database: process.env.DB_NAME, connectionLimit,
});
const op = p => p.query(SQL);

async function hold(p, ms = 300) {
	const c = await p.getConnection();
	await c.query(SQL);
	await sleep(ms);
	await c.query(SQL);
	c.release();
}

function forget(kind, c) {
	forgotten.push(c);
	leaked(kind, c.threadId);
}

run({
	// ---- that leak
	held: async () => {
		const p = made(60);
		await leakAmong(() => op(p), async () => {
			const c = await p.getConnection();
			await c.query(SQL);
			forget("held", c);
		});
	},
	txn: async () => {
		const p = made();
		await leakAmong(() => op(p), async () => {
			const c = await p.getConnection();
			await c.beginTransaction();
			await c.query(SQL);
			forget("idle-in-txn", c);
		}, 3);
	},
	unread: async () => {
		const p = made(), c = await p.getConnection();
		const rows = c.connection.query("select repeat('x', 1000) from seq_1_to_20000").stream();
		rows.once("data", () => rows.pause());
		await sleep(500);
		forget("unread", c);
		forgotten.push(rows);
	},
	// ---- that do not
	busy: async () => {
		const p = made();
		await Promise.all(Array.from({ length: 6 }, () => forEver(() => op(p), 100)));
	},
	burst: async () => {
		const p = made();
		await burstsOf(() => op(p), () => hold(p));
	},
	steps: async () => {
		const p = made();
		await forEver(async () => {
			const c = await p.getConnection();
			await c.beginTransaction();
			for (let i = 0; i < 10; i++) {
				await c.query(SQL);
				await sleep(400 * GRACE);
			}
			await c.commit();
			c.release();
		}, 100);
	},
	twoPools: async () => {
		const quiet = made(), lively = made();
		forEver(() => hold(quiet), 4000 * GRACE);
		await burstsOf(() => op(lively), () => hold(lively));
	},
});
