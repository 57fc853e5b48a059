// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers.h"
#include "lib/cleanup.h"
#include "lib/language.h"
#include "lib/text.h"

static void reads_python_command_lines(void **state)
{
#define ARGS(text) text, sizeof(text)
	static const struct {
		const char *args;
		size_t len;
		const char *script;
	} samples[] = {
		{ ARGS("python3\0app.py"), "app.py" },
		{ ARGS("python3\0/srv/app.py\0--port\0"
		       "80"),
		  "/srv/app.py" },
		{ ARGS("/usr/bin/python3\0-u\0-B\0app.py"), "app.py" },
		{ ARGS("python3\0-X\0dev\0-W\0ignore\0app.py"), "app.py" },
		{ ARGS("python3\0-Xdev\0-Wignore\0app.py"), "app.py" },
		{ ARGS("python3\0-uX\0dev\0app.py"), "app.py" },
		{ ARGS("python3\0--check-hash-based-pycs\0always\0app.py"), "app.py" },
		{ ARGS("python3\0-m\0gunicorn\0app:app"), "-m gunicorn" },
		{ ARGS("python3\0-mgunicorn"), "-m gunicorn" },
		{ ARGS("python3\0-Im\0gunicorn"), "-m gunicorn" },
		{ ARGS("python3\0-c\0import secret"), "" },
		{ ARGS("python3\0-uc\0password='x'"), "" },
		{ ARGS("python3\0-cprint('x')\0app.py"), "" },
		{ ARGS("python3\0-\0app.py"), "" },
		{ ARGS("python3"), "" },
		{ ARGS("python3\0-m"), "" },
		{ ARGS("python3\0a\033[2J.py"), "a\\x1b[2J.py" },
		{ "python3\0cut_of", 14, "" },
		{ "", 0, "" },
		{ "\0\0\0", 3, "" },
	};
	char script[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		/* The end that sizeof adds is the last argument's own. */
		language_script_parse(samples[i].args, samples[i].len, script, sizeof(script));
		assert_string_equal(script, samples[i].script);
	}
}

static void knows_by_name(void **state)
{
	(void)state;
	assert_string_equal(language_by_name("python3.11"), "python");
	assert_string_equal(language_by_name("node"), "node");
	assert_string_equal(language_by_name("java"), "jvm");
	assert_string_equal(language_by_name("nodelay"), "");
	assert_string_equal(language_by_name("postgres"), "");
	assert_string_equal(language_by_library("libjvm.so"), "jvm");
	assert_string_equal(language_by_library("libpython3.11.so.1.0"), "python");
	assert_string_equal(language_by_library("libnode.so.108"), "node");
	assert_string_equal(language_by_library("libpq.so.5"), "");
}

static bool is_driver(const char *module, const char *function, const char *file)
{
	for (const struct frame_rule *r = driver_rules; r->module || r->function || r->file; r++)
		if ((!r->module || text_match(r->module, module)) &&
		    (!r->function || text_match(r->function, function)) &&
		    (!r->file || text_match(r->file, file)))
			return true;
	return false;
}

static void tells_drivers_from_applications(void **state)
{
	static const struct {
		const char *module, *function, *file;
		bool driver;
	} samples[] = {
		{ "libpq.so.5.15", "PQexec", "", true },
		{ "libpq-e8a033dd.so.5.16", "", "", true },
		{ "libmariadb.so.3", "mysql_real_query", "", true },
		{ "libc.so.6", "__send", "", true },
		{ "shop", "PQexec", "", true },
		{ "shop", "mysql_real_connect", "", true },
		{ "shop", "__libc_start_main", "", true },
		{ "shop", "borrow_and_forget", "shop.c", false },
		{ "shop", "main", "", false },
		{ "shop", "", "", false },
		{ "libshop.so", "send_order", "", false },
		{ "shop", "database/sql.(*DB).BeginTx", "", true },
		{ "shop", "github.com/lib/pq.(*conn).begin", "", true },
		{ "shop", "github.com/jackc/pgx/v4.(*Conn).Exec", "", true },
		{ "shop", "github.com/go-sql-driver/mysql.(*mysqlConn).exec", "", true },
		{ "shop", "shop/vendor/github.com/lib/pq.(*conn).begin", "", true },
		{ "shop", "net.(*conn).Write", "", true },
		{ "shop", "internal/poll.(*FD).Write", "", true },
		{ "shop", "crypto/tls.(*Conn).Write", "", true },
		{ "shop", "runtime.goexit", "", true },
		{ "shop", "main.borrow", "", false },
		{ "shop", "example.com/shop/internal/db.Borrow", "", false },
		{ "shop", "net/http.(*conn).serve", "", false },
		{ "python3.11", "_PyEval_EvalFrameDefault", "", true },
		{ "_psycopg.cpython-311-x86_64-linux-gnu.so", "pq_execute", "", true },
		{ "_speedups.cpython-311-x86_64-linux-gnu.so", "", "", false },
		{ "[anon]", "borrow", "/srv/app.js", false },
		{ "[anon]", "query", "/srv/node_modules/pg/lib/client.js", true },
		{ "[anon]", "emit", "node:events", true },
		{ "node", "uv_run", "", true },
		{ "[anon]", "Lcom/shop/Orders;::borrow", "", false },
		{ "[anon]", "Lorg/postgresql/jdbc/PgConnection;::execute", "", true },
		{ "libjvm.so", "", "", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		if (is_driver(samples[i].module, samples[i].function, samples[i].file) !=
		    samples[i].driver)
			fail_msg("%s %s", samples[i].module, samples[i].function);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_python_command_lines),
		cmocka_unit_test(knows_by_name),
		cmocka_unit_test(tells_drivers_from_applications),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
