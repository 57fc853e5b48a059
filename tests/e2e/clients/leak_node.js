// SPDX-License-Identifier: GPL-2.0-or-later
// An application on node-postgres that does as it is told; see lib/client.py.
"use strict";
const { Client } = require("pg");
const { first, message, obeyLines } = require("./told.js");

let named;

// node-postgres knows PGSSLMODE; what it lacks is PGCONNECT_TIMEOUT, which may be.
async function connect() {
	const c = new Client();
	c.on("error", () => {});
	await c.connect();
	return c;
}

async function atWork() {
	const c = await connect();
	return async () => {
		await c.query("begin");
		await c.query("select count(*) from account");
		await c.query("commit");
	};
}

async function main() {
	const db = await connect();
	const run = async what => {
		try {
			const r = await db.query(what);
			return `ok ${r.command} ${first(r.rows)}`;
		} catch (e) {
			return `error ${e.code || "-"} ${message(e)}`;
		}
	};

	await obeyLines(run, atWork, {
		prepare: text => run(named = { name: "kept", text }),
		execute: () => run(named),
		backend: () => `ok ${db.processID}`,
	});
}

main();
