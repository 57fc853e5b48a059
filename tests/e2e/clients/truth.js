// SPDX-License-Identifier: GPL-2.0-or-later
// The same as truth.py, for the programs that run on node.
"use strict";

const GRACE = Number(process.env.TRUTH_GRACE);
const sleep = ms => new Promise(done => setTimeout(done, ms));
const about = ms => ms * (0.5 + Math.random());

const say = what => console.log(JSON.stringify(what));
const leaked = (kind, backend) => say({ kind, backend, at: Date.now() / 1000 });

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

function run(modes) {
	say({});
	setInterval(() => {}, 3600000);
	process.stdin.once("data", () => modes[process.argv[2]]().catch(e => {
		console.error(e);
		process.exit(1);
	}));
}

module.exports = { GRACE, SQL: "select count(*) from account", burstsOf, forEver, forgotten: [],
	leakAmong, leaked, run, sleep };
