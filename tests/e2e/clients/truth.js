// SPDX-License-Identifier: GPL-2.0-or-later
// The same as truth.py, for the programs that run on node.
"use strict";

const GRACE = Number(process.env.TRUTH_GRACE);
const SQL = "select count(*) from account";
const KEPT = { idleTimeoutMillis: 0 };
const sleep = ms => new Promise(done => setTimeout(done, ms));
const about = ms => ms * (0.5 + Math.random());

const say = what => console.log(JSON.stringify(what));
const forgotten = [];

function forget(kind, c, backend) {
	forgotten.push(c);
	say({ kind, backend, at: Date.now() / 1000 });
}

async function forEver(step, pause = 200) {
	for (;;) {
		await step();
		await sleep(about(pause));
	}
}

async function leakAmong(op, leak, count = 8) {
	for (let i = 0; i < 5; i++)
		await op();
	for (let i = 0; i < count; i++) {
		await leak();
		await sleep(i < count - 1 ? 350 : 1400);
		await op();
		await sleep(50);
	}
	await forEver(op);
}

async function burstsOf(op, hold) {
	for (;;)
		for (const count of [4, 12, 7, 16, 2]) {
			await Promise.all(Array.from({ length: count }, () => hold()));
			for (let i = 0; i < 10; i++) {
				await op();
				await sleep(about(50));
			}
			await sleep(about(2000 * GRACE));
		}
}

// The modes that every driver has.  `d` is what it does: made(options) a pool, by node-postgres's
// names of the settings as far as it has them; borrow(pool), begin(c), commit(c), backend(c).
function common(d) {
	const op = p => p.query(SQL);
	const hold = async (p, ms = 300) => {
		const c = await d.borrow(p);
		await c.query(SQL);
		await sleep(ms);
		await c.query(SQL);
		c.release();
	};

	return {
		// ---- that leak
		held: async () => {
			const p = d.made({ max: 60, ...KEPT });
			await leakAmong(() => op(p), async () => {
				const c = await d.borrow(p);
				await c.query(SQL);
				forget("held", c, d.backend(c));
			});
		},
		// ---- that do not
		busy: async () => {
			const p = d.made();
			await Promise.all(Array.from({ length: 6 }, () => forEver(() => op(p), 100)));
		},
		burst: async () => {
			const p = d.made({ idleTimeoutMillis: 2000 });
			await burstsOf(() => op(p), () => hold(p));
		},
		kept: async () => {
			const p = d.made(KEPT);
			await burstsOf(() => op(p), () => hold(p));
		},
		steps: async () => {
			const p = d.made();
			await forEver(async () => {
				const c = await d.borrow(p);
				await d.begin(c);
				for (let i = 0; i < 10; i++) {
					await c.query(SQL);
					await sleep(400 * GRACE);
				}
				await d.commit(c);
				c.release();
			}, 100);
		},
		twoPools: async () => {
			const quiet = d.made(KEPT), lively = d.made(KEPT);
			forEver(() => hold(quiet), 4000 * GRACE);
			await burstsOf(() => op(lively), () => hold(lively));
		},
	};
}

function run(modes) {
	say({});
	setInterval(() => {}, 3600000);
	process.stdin.once("data", () => modes[process.argv[2]]().catch(e => {
		console.error(e);
		process.exit(1);
	}));
}

module.exports = { SQL, common, forget, forgotten, leakAmong, run, sleep };
