// SPDX-License-Identifier: GPL-2.0-or-later
// An application on mysql2 that does as it is told; see lib/client.py.
'use strict';
const readline = require('readline');
const mysql = require('mysql2/promise');

const options = {
	host: process.env.DB_HOST, port: Number(process.env.DB_PORT), user: process.env.DB_USER,
	password: process.env.DB_PASSWORD, database: process.env.DB_NAME,
	compress: 'DB_COMPRESS' in process.env,
};
const more = [];
let named;

const run = async (db, sql, how) => {
	try {
		const [rows] = await db[how](sql);
		const first = Array.isArray(rows) && rows.length ? Object.values(rows[0])[0] : '';
		return `ok ${first}`;
	} catch (e) {
		return `error ${e.sqlState || '-'} ${e.message.split('\n')[0]}`;
	}
};

const busy = async () => {
	const c = await mysql.createConnection(options);
	more.push(c);
	for (;;) {
		await c.beginTransaction();
		await c.query('select count(*) from account');
		await c.commit();
		await new Promise((done) => setTimeout(done, 20));
	}
};

const obey = async (db, word, rest) => {
	if (['begin', 'commit', 'rollback'].includes(word))
		return run(db, word, 'query');
	if (word === 'query')
		return run(db, rest, 'query');
	if (word === 'prepared')
		return run(db, rest, 'execute');
	if (word === 'prepare') {
		named = rest;
		return run(db, named, 'execute');
	}
	if (word === 'execute')
		return run(db, named, 'execute');
	if (word === 'manual' || word === 'auto')
		return run(db, `set autocommit = ${word === 'auto' ? 1 : 0}`, 'query');
	if (word === 'backend')
		return `ok ${db.threadId}`;
	if (word === 'busy') {
		for (let i = 0; i < Number(rest); i++)
			busy().catch(() => {});
		return 'ok';
	}
	return `error - unknown word ${word}`;
};

(async () => {
	const db = await mysql.createConnection(options);
	db.on('error', () => {});
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
