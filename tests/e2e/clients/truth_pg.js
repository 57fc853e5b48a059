// SPDX-License-Identifier: GPL-2.0-or-later
// The truth set on node-postgres and its Pool; see truth.py.
"use strict";
const { Client, Pool } = require("pg");
const { SQL, common, forget, leakAmong, run, sleep } = require("./truth.js");

const made = options => {
	const p = new Pool({ max: 20, idleTimeoutMillis: 10000, ...options });
	p.on("error", () => {});
	return p;
};
const borrow = p => p.connect();
const begin = c => c.query("begin");
const commit = c => c.query("commit");
const backend = c => c.processID;

run({
	...common({ made, borrow, begin, commit, backend }),
	// ---- that leak
	txn: async () => {
		const p = made();
		await leakAmong(() => p.query(SQL), async () => {
			const c = await borrow(p);
			await begin(c);
			await c.query("update account set balance = balance + 1 where id = 2");
			await c.query("rollback");
			await begin(c);
			await c.query(SQL);
			forget("idle-in-txn", c, backend(c));
		}, 3);
	},
	failed: async () => {
		const p = made();
		await leakAmong(() => p.query(SQL), async () => {
			const c = await borrow(p);
			await begin(c);
			await c.query("select 1 / 0").catch(() => {});
			forget("idle-in-txn", c, backend(c));
		}, 2);
	},
	opened: async () => {
		for (let i = 0; i < 12; i++) {
			const c = new Client();
			await c.connect();
			await c.query(SQL);
			forget("held", c, backend(c));
			await sleep(350);
		}
	},
	unread: async () => {
		const c = new Client();
		await c.connect();
		await c.query(SQL);
		c.connection.stream.pause();
		c.query("select repeat('x', 1000) from generate_series(1, 20000)").catch(() => {});
		forget("unread", c, backend(c));
	},
});
