// SPDX-License-Identifier: GPL-2.0-or-later
// What the clients on node that do as they are told have in common; see lib/client.py.
"use strict";
const readline = require("readline");

const STATEMENTS = ["begin", "commit", "rollback"];

// run(what): the answer to a statement, a line.  atWork(): a connection of its own, as what is
// to be done on it again and again.  words: others, given the rest of the line.
async function obeyLines(run, atWork, words) {
	const busy = async () => {
		for (const step = await atWork();;) {
			await step();
			await new Promise(done => setTimeout(done, 20));
		}
	};
	const obey = (word, rest) => {
		if (STATEMENTS.includes(word))
			return run(word);
		if (word === "query")
			return run(rest);
		if (word === "busy") {
			for (let i = 0; i < Number(rest); i++)
				busy().catch(() => {});
			return "ok";
		}
		return words[word] ? words[word](rest) : `error - unknown word ${word}`;
	};

	console.log("ok");
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const [word, ...rest] = line.split(" ");
		if (word === "quit")
			break;
		console.log(await obey(word, rest.join(" ")));
	}
	process.exit(0);
}

// The first value of the first row.
const first = rows => Array.isArray(rows) && rows.length ? Object.values(rows[0])[0] : "";
const message = e => e.message.split("\n")[0];

module.exports = { first, message, obeyLines };
