// SPDX-License-Identifier: GPL-2.0-or-later
// An application on node-postgres that does as it is told; see lib/client.py.
'use strict';
const readline = require('readline');
const {Client} = require('pg');

// node-postgres knows PGSSLMODE; what it lacks is PGCONNECT_TIMEOUT, which may be.
const connect = async () => {
	const c = new Client();
	c.on('error', () => {});
	await c.connect();
	return c;
};
const more = [];
let named;

const run = async (db, sql) => {
	try {
		const r = await db.query(sql);
		const first = r.rows && r.rows.length ? Object.values(r.rows[0])[0] : '';
		return `ok ${r.command} ${first}`;
	} catch (e) {
		return `error ${e.code || '-'} ${e.message.split('\n')[0]}`;
	}
};

const busy = async () => {
	const c = await connect();
	more.push(c);
	for (;;) {
		await c.query('begin');
		await c.query('select count(*) from account');
		await c.query('commit');
		await new Promise((done) => setTimeout(done, 20));
	}
};

const obey = async (db, word, rest) => {
	if (['begin', 'commit', 'rollback'].includes(word))
		return run(db, word);
	if (word === 'query')
		return run(db, rest);
	if (word === 'prepare') {
		named = {name: 'kept', text: rest};
		return run(db, named);
	}
	if (word === 'execute')
		return run(db, named);
	if (word === 'backend')
		return `ok ${db.processID}`;
	if (word === 'busy') {
		for (let i = 0; i < Number(rest); i++)
			busy().catch(() => {});
		return 'ok';
	}
	return `error - unknown word ${word}`;
};

(async () => {
	const db = await connect();
	console.log('ok');
	for await (const line of readline.createInterface({input: process.stdin})) {
		const at = line.indexOf(' ');
		const word = at < 0 ? line : line.slice(0, at);
		if (word === 'quit')
			break;
		console.log(await obey(db, word, at < 0 ? '' : line.slice(at + 1)));
	}
	process.exit(0);
})();
