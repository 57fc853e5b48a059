// SPDX-License-Identifier: GPL-2.0-or-later
// The same as pool_psycopg2.py, on node-postgres.
"use strict";
const { Client, Pool } = require("pg");
const readline = require("readline");

const pool = new Pool({ max: 60, idleTimeoutMillis: 0 });
const forgotten = [];
const sleep = ms => new Promise(done => setTimeout(done, ms));
const ask = c => c.query("select count(*) from account");

async function borrow() {
	const c = await pool.connect();
	await ask(c);
	return c;
}

const words = {
	op: async () => (await borrow()).release(),
	leak: async () => forgotten.push(await borrow()),
	connect: async () => {
		const c = new Client();
		await c.connect();
		forgotten.push(c);
	},
	listen: async () => {
		const c = new Client();
		await c.connect();
		await c.query("listen orders");
		forgotten.push(c);
	},
	throw: async () => {
		const c = new Client();
		await c.connect();
		await ask(c);
		await c.end();
	},
};

async function hold(ms) {
	const c = await borrow();
	await sleep(ms);
	await ask(c);
	c.release();
}

async function main() {
	await words.op();
	console.log("ok");
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const [word, count, ms] = line.split(" ");
		if (word === "burst")
			await Promise.all(Array.from({ length: +count }, () => hold(+ms)));
		else
			for (let i = 0; i < +count; i++) {
				await words[word]();
				await sleep(+ms);
			}
		console.log("ok");
	}
	process.exit(0);
}

main();
