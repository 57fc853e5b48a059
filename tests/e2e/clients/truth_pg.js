// SPDX-License-Identifier: GPL-2.0-or-later
// The truth set on node-postgres and its Pool; see truth.py.
"use strict";
const { Client, Pool } = require("pg");
const { GRACE, SQL, burstsOf, forEver, forgotten, leakAmong, leaked, run, sleep } =
	require("./truth.js");

const made = more => {
	const p = new Pool({ max: 20, idleTimeoutMillis: 10000, ...more });
	p.on("error", () => {});
	return p;
};
const op = async p => p.query(SQL);

async function hold(p, ms = 300) {
	const c = await p.connect();
	await c.query(SQL);
	await sleep(ms);
	await c.query(SQL);
	c.release();
}

function forget(kind, c) {
	forgotten.push(c);
	leaked(kind, c.processID);
}

run({
	// ---- that leak
	held: async () => {
		const p = made({ max: 60, idleTimeoutMillis: 0 });
		await leakAmong(() => op(p), async () => {
			const c = await p.connect();
			await c.query(SQL);
			forget("held", c);
		});
	},
	txn: async () => {
		const p = made();
		await leakAmong(() => op(p), async () => {
			const c = await p.connect();
			await c.query("begin");
			await c.query("update account set balance = balance + 1 where id = 2");
			await c.query("rollback");
			await c.query("begin");
			await c.query(SQL);
			forget("idle-in-txn", c);
		}, 3);
	},
	failed: async () => {
		const p = made();
		await leakAmong(() => op(p), async () => {
			const c = await p.connect();
			await c.query("begin");
			await c.query("select 1 / 0").catch(() => {});
			forget("idle-in-txn", c);
		}, 2);
	},
	opened: async () => {
		for (let i = 0; i < 12; i++) {
			const c = new Client();
			await c.connect();
			await c.query(SQL);
			forget("held", c);
			await sleep(350);
		}
	},
	unread: async () => {
		const c = new Client();
		await c.connect();
		await c.query(SQL);
		c.connection.stream.pause();
		c.query("select repeat('x', 1000) from generate_series(1, 20000)").catch(() => {});
		forget("unread", c);
	},
	// ---- that do not
	busy: async () => {
		const p = made();
		await Promise.all(Array.from({ length: 6 }, () => forEver(() => op(p), 100)));
	},
	burst: async () => {
		const p = made({ idleTimeoutMillis: 2000 });
		await burstsOf(() => op(p), () => hold(p));
	},
	kept: async () => {
		const p = made({ idleTimeoutMillis: 0 });
		await burstsOf(() => op(p), () => hold(p));
	},
	steps: async () => {
		const p = made();
		await forEver(async () => {
			const c = await p.connect();
			await c.query("begin");
			for (let i = 0; i < 10; i++) {
				await c.query(SQL);
				await sleep(400 * GRACE);
			}
			await c.query("commit");
			c.release();
		}, 100);
	},
	twoPools: async () => {
		const quiet = made({ idleTimeoutMillis: 0 }), lively = made({ idleTimeoutMillis: 0 });
		forEver(() => hold(quiet), 4000 * GRACE);
		await burstsOf(() => op(lively), () => hold(lively));
	},
});
