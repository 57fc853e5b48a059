// SPDX-License-Identifier: GPL-2.0-or-later
#include "sql_kit.h"

static void keeps_the_shape(void **state)
{
	static const struct sample samples[] = {
		{ "", "", SAME },
		{ " \t\n ", "", SAME },
		{ "SELECT", "SELECT", SAME },
		{ "select * from orders", "select * from orders", SAME },
		{ "  select\n\t *  from\r\n orders ; ", "select * from orders ;", SAME },
		{ "select a.b, c as d from s.t", "select a.b, c as d from s.t", SAME },
		{ "select a<>b and c>=d or not e != f", "select a<>b and c>=d or not e != f",
		  SAME },
		{ "select true, FALSE, Null", "select true, FALSE, Null", SAME },
		{ "select t1.a2, utf8mb4_bin", "select t1.a2, utf8mb4_bin", SAME },
		{ "select a$b from t$1", "select a$b from t$1", SAME },
		{ "select größe from straße", "select größe from straße", SAME },
		{ "begin", "begin", SAME },
		{ "select count(*) from t", "select count(*) from t", SAME },
		{ "select a::text, b->>c", "select a::text, b->>c", SAME },
		{ "select x[a:b]", "select x[a:b]", SAME },
		{ "select a || b", "select a || b", SAME },
		{ "select a % b ^ c & d | ~e", "select a % b ^ c & d | ~e", SAME },
		{ "select a #> b # c", "select a #> b # c", "select a" },
		{ "select `a`", "select `a`", SAME },
		{ "select `a b``c`", "select `a b``c`", SAME },
		{ "select `a'b`, 'c'", "SELECT …", "select `a'b`, ?" },
		{ "select `a\\`, 'c'", "SELECT …", "select `a\\`, ?" },
		{ "select \"a\"", "select \"a\"", "select ?" },
		{ "select \"a b\"\"c\" x", "select \"a b\"\"c\" x", "select ? x" },
		{ "select \"it's\", 'a'", "select \"it's\", ?", "select ?, ?" },
		{ "select \"a\\\", 'b'", "select \"a\\\", ?", "SELECT …" },
		{ "select u&\"a\" x", "select u&\"a\" x", "select u&? x" },
		{ "select {d '2020-01-01'}", "SELECT …", "select {d ?}" },
		{ "(select a) union (select b)", "(select a) union (select b)", SAME },
		{ "select a ; select b;", "select a ; select b;", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

static void keeps_parameters(void **state)
{
	static const struct sample samples[] = {
		{ "select $1, $22", "select $1, $22", "SELECT …" },
		{ "select $1::text", "select $1::text", "SELECT …" },
		{ "select $1$2", "select $1$2", "SELECT …" },
		{ "select $1a", "SELECT …", SAME },
		{ "select ?, ?", "select ?, ?", SAME },
		{ "select :name, :b", "select :name, :b", SAME },
		{ "select %s, %(name)s", "select %s, %(name)s", SAME },
		{ "select @var, @@global.x", "select @var, @@global.x", SAME },
		{ "select @v := @v + 1", "select @v := @v + ?", SAME },
		{ "select @'a b', @`c`", "select @?, @`c`", SAME },
		{ "select @\"a b\"", "select @\"a b\"", "select @?" },
		{ "select j ?| array['a']", "select j ?| array[?]", SAME },
		{ "select :1, @5", "select :?, @?", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

static void hides_strings(void **state)
{
	static const struct sample samples[] = {
		{ "select 'a'", "select ?", SAME },
		{ "select ''", "select ?", SAME },
		{ "select ''''", "select ?", SAME },
		{ "select 'it''s' x", "select ? x", SAME },
		{ "select 'a''' x", "select ? x", SAME },
		{ "select '''a' x", "select ? x", SAME },
		{ "select '-- no' x", "select ? x", SAME },
		{ "select '/*' x", "select ? x", SAME },
		{ "select '\"' x, '\"' y", "select ? x, ? y", SAME },
		{ "select '`' x", "select ? x", SAME },
		{ "select '$$' x, '$$' y", "select ? x, ? y", SAME },
		{ "select 'a;b' x", "select ? x", SAME },
		{ "select 'a\nb' x", "select ? x", SAME },
		{ "select 'ünï€' x", "select ? x", SAME },
		{ "select '\xff\xfe' x", "select ? x", SAME },
		{ "select 'a' 'b' x", "select ? x", SAME },
		{ "select 'a'\n'b' x", "select ? x", SAME },
		{ "select 'a' -- c\n 'b' x", "select ? x", SAME },
		{ "select 'a'/* c */'b' x", "select ? x", SAME },
		{ "select 'a', 'b' x", "select ?, ? x", SAME },
		{ "select date '2020-01-01'", "select date ?", SAME },
		{ "select date'2020-01-01'", "select date?", SAME },
		{ "select interval '1' day", "select interval ? day", SAME },
		{ "select N'a', n'b' x", "select ?, ? x", SAME },
		{ "select X'4142', x'43' y", "select ?, ? y", SAME },
		{ "select B'01', b'1' y", "select ?, ? y", SAME },
		{ "select E'a' x", "select ? x", "select E? x" },
		{ "select e'a' x", "select ? x", "select e? x" },
		{ "select U&'\\0041' x", "select ? x", "select U&? x" },
		{ "select u&'d!0061' uescape '!' x", "select ? uescape ? x",
		  "select u&? uescape ? x" },
		{ "select fooe'a' x", "select fooe? x", SAME },
		{ "select _utf8'a' x", "select _utf8? x", "select ? x" },
		{ "select _utf8mb4 'a' x", "select _utf8mb4 ? x", SAME },
		{ "select _latin1\"a\" x", "select _latin1\"a\" x", "select ? x" },
		{ "select _binary x'41' x", "select _binary ? x", SAME },
		{ "select \"a\" \"b\" x", "select \"a\" \"b\" x", "select ? x" },
		{ "insert into t values('a','b')", "insert into t values(?)", SAME },
		{ "select a='b'and c='d'", "select a=?and c=?", SAME },
		{ "select 'a'from t", "select ?from t", SAME },
		{ "select ('a')::json->>'b'", "select (?)::json->>?", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

/* Under one setting a string ends where it goes on under the other. */
static void doubts_backslashes(void **state)
{
	static const struct sample samples[] = {
		{ "select 'a\\'b' x", "SELECT …", SAME },
		{ "select 'a\\' x", "SELECT …", SAME },
		{ "select 'a\\', 'b' x", "SELECT …", SAME },
		{ "select 'a\\'', b, '", "SELECT …", SAME },
		{ "select 'a\\\\\\'b' x", "SELECT …", SAME },
		{ "select 'a\\\\' x", "select ? x", SAME },
		{ "select 'a\\\\\\\\' x", "select ? x", SAME },
		{ "select 'a\\nb' x", "select ? x", SAME },
		{ "select 'a\\\"b' x", "select ? x", SAME },
		{ "select 'C:\\dir\\file' x", "select ? x", SAME },
		{ "select 'a\\\\''b' x", "select ? x", SAME },
		{ "select E'a\\'b' x", "select ? x", "SELECT …" },
		{ "select E'a\\\\' x", "select ? x", "select E? x" },
		{ "select E'a\\\\\\'b' x", "select ? x", "SELECT …" },
		{ "select E'a\\'' x", "select ? x", "SELECT …" },
		{ "select E'a\\'''b' x", "select ? x", "SELECT …" },
		{ "select E'a'\n'b\\'c' x", "SELECT …", SAME },
		{ "select 1E'a\\'b' x", "SELECT …", SAME },
		{ "select N'a\\'b' x", "SELECT …", SAME },
		{ "select U&'a\\' x", "SELECT …", SAME },
		{ "select x'a\\'b' x", "SELECT …", SAME },
		{ "select \"a\\\"b\", 'c' x", "SELECT …", SAME },
		{ "select \"a\\\\\" x", "select \"a\\\\\" x", "select ? x" },
		{ "select _utf8'a\\'b' x", "SELECT …", SAME },
		/* In GBK 0x815c is one character, and 0x8160 another. */
		{ "select '\x81\\', b x", "SELECT …", SAME },
		{ "select '\x81\\\\' x", "SELECT …", SAME },
		{ "select E'\x81\\\\' x", "SELECT …", SAME },
		{ "select 'é\\\\' x", "SELECT …", SAME },
		{ "select 'é\\n' x", "select ? x", SAME },
		{ "select \"\x81\\\\\" x", "SELECT …", SAME },
		{ "select `é` x", "SELECT …", SAME },
		{ "select `éa` x", "select `éa` x", SAME },
		{ "select \xc3\xa9`a` x", "SELECT …", SAME },
		{ "select 1\xc3\xa9`a` x", "SELECT …", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

static void hides_dollar_quotes(void **state)
{
	static const struct sample samples[] = {
		{ "select $$a$$ x", "select ? x", "SELECT …" },
		{ "select $$$$ x", "select ? x", "SELECT …" },
		{ "select $$it's$$ x", "select ? x", "SELECT …" },
		{ "select $t$a$$b$t$ x", "select ? x", "SELECT …" },
		{ "select $t$a$T$b$t$ x", "select ? x", "SELECT …" },
		{ "select $t$$t$ x", "select ? x", "SELECT …" },
		{ "select $t1_$a$t$b$t1_$ x", "select ? x", "SELECT …" },
		{ "select $é$a$é$ x", "select ? x", "SELECT …" },
		{ "select $$a x", "SELECT …", SAME },
		{ "select $t$a$u$ x", "SELECT …", SAME },
		{ "select $t x", "SELECT …", SAME },
		{ "select $ x", "SELECT …", SAME },
		{ "select $-$a$-$ x", "SELECT …", SAME },
		{ "select a$b$c$b$ x", "select a$b$c$b$ x", SAME },
		{ "select 1$$a$$ x", "select ? x", SAME },
		{ "select 1.5$a$b$a$ x", "select ? x", SAME },
		/* Names before PostgreSQL 15, errors, or numbers and a string. */
		{ "select 1x$a$ b $a$ x", "SELECT …", SAME },
		{ "select 0x1f$a$ b $a$ x", "SELECT …", SAME },
		{ "select 1_0$a$ b $a$ x", "SELECT …", SAME },
		{ "select $1$$a$$ x", "select $1? x", "SELECT …" },
		{ "select $1$a$b$a$ x", "select $1? x", "SELECT …" },
		{ "create function f() as $f$ begin 'x' $f$ language c",
		  "create function f() as ? language c", "CREATE …" },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

static void hides_numbers(void **state)
{
	static const struct sample samples[] = {
		{ "select 1", "select ?", SAME },
		{ "select 1.5", "select ?", SAME },
		{ "select .5, 5.", "select ?, ?", SAME },
		{ "select 1e5, 1E+5, 1.5e-3 x", "select ?, ?, ? x", SAME },
		{ "select .5e-3 x", "select ? x", SAME },
		{ "select 0x1F, 0o17, 0b101 x", "select ?, ?, ? x", SAME },
		{ "select 1_000_000 x", "select ? x", SAME },
		{ "select -5, +5, - 5", "select -?, +?, - ?", SAME },
		{ "select a-5, a -5", "select a-?, a -?", SAME },
		{ "select 1-1, 0x1e-5", "select ?-?, ?-?", SAME },
		{ "select 1e-x", "select ?-x", SAME },
		{ "select 1..10", "select ?", SAME },
		{ "select a[1:5]", "select a[?:?]", SAME },
		{ "select 1and 2", "select ?", SAME },
		{ "select 5x from t", "select ? from t", SAME },
		{ "select t.5x", "select t?", SAME },
		{ "select t1.2", "select t1?", SAME },
		{ "select 1 'a' x", "select ? x", SAME },
		{ "select 1'a' x", "select ? x", SAME },
		{ "limit 10 offset 20", "limit ? offset ?", SAME },
		{ "select numeric(10,2)", "select numeric(?)", SAME },
		{ "select 12345678901234567890123456789012345 x", "select ? x", SAME },
		{ "select 1::int", "select ?::int", SAME },
		{ "select 5--3", "select ?", "select ?--?" },
		{ "select 1=1", "select ?=?", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

static void folds_lists(void **state)
{
	static const struct sample samples[] = {
		{ "a in (1,2,3)", "a in (?)", SAME },
		{ "a in ( 1 , 2 , 3 )", "a in (?)", SAME },
		{ "a in ('a', 'b', 3)", "a in (?)", SAME },
		{ "a in (1)", "a in (?)", SAME },
		{ "a in ( 1 )", "a in ( ? )", SAME },
		{ "a in ()", "a in ()", SAME },
		{ "a in (?, ?)", "a in (?)", SAME },
		{ "a in (1, b, 2, 3)", "a in (?, b, ?, ?)", SAME },
		{ "a in (b, 2)", "a in (b, ?)", SAME },
		{ "a in (1, 2, b)", "a in (?, ?, b)", SAME },
		{ "a in (-1, 2)", "a in (-?, ?)", SAME },
		{ "f(g(1, 2), 3)", "f(g(?), ?)", SAME },
		{ "f((1, 2), (3, 4))", "f((?), (?))", SAME },
		{ "values (1,'a'), (2,'b')", "values (?), (?)", SAME },
		{ "a = 1, 2)", "a = ?, ?)", SAME },
		{ "1, 2)", "?, ?)", SAME },
		{ "(a, ?, ?)", "(a, ?, ?)", SAME },
		{ "(1, /* x */ 2 -- y\n , 3)", "(?)", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

static void drops_comments(void **state)
{
	static const struct sample samples[] = {
		{ "select /* a 'b' */ x", "select x", SAME },
		{ "select/**/x", "select x", SAME },
		{ "/* a */ select x /* b */", "select x", SAME },
		{ "select /* it's */ x", "select x", SAME },
		{ "select -- it's\n x", "select x", SAME },
		{ "select -- it's", "select", SAME },
		{ "select --\n x", "select x", SAME },
		{ "select --\tx\n y", "select y", SAME },
		{ "select -- a\r\n x", "select x", SAME },
		{ "select --a\n x", "select x", "select --a x" },
		{ "select -- a\r x", "SELECT …", SAME },
		{ "select --\x7f x\n a", "select a", "SELECT …" },
		{ "select --\x01 x\n a", "select a", "SELECT …" },
		{ "select x --", "select x", SAME },
		{ "select # it's\n x", "SELECT …", "select x" },
		{ "select a#b\n x", "select a#b x", "select a x" },
		{ "select /* a /* b */ c */ x", "select x", "SELECT …" },
		{ "select /* a /* b */ x", "SELECT …", SAME },
		{ "select /* /*/ */ */ x", "select x", "SELECT …" },
		{ "select /*/ */ x", "select x", SAME },
		{ "select /***/ x", "select x", SAME },
		{ "select /* a **/ x", "select x", SAME },
		{ "select /* a", "SELECT …", SAME },
		{ "select /*", "SELECT …", SAME },
		{ "select a */ x", "SELECT …", SAME },
		{ "select a */* b */ c", "SELECT …", SAME },
		{ "select a +-- b\n c", "select a + c", SAME },
		{ "select /*+ MAX_EXECUTION_TIME(5) */ x", "select x", SAME },
		{ "select /*!50000 a, */ x", "select x", SAME },
		{ "select /*M!100000 a, */ x", "select x", SAME },
		{ "select /*!50000 'a*/ x /*'*/", "select x", "SELECT …" },
		{ "select /*! \"a\" */ x", "select x", "SELECT …" },
		{ "select /*! `a` */ x", "select x", "SELECT …" },
		{ "select /*! a # b */ x", "select x", "SELECT …" },
		{ "select /*! a -- b */ x", "select x", "SELECT …" },
		{ "select /*! a \\ b */ x", "select x", "SELECT …" },
		{ "select /*+ 'a' */ x", "select x", "SELECT …" },
		{ "select /*M! 'a' */ x", "select x", "SELECT …" },
		{ "select /*! a", "SELECT …", SAME },
		{ "select /*! -", "SELECT …", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

static void doubts_what_is_no_sql(void **state)
{
	static const struct sample samples[] = {
		{ "select 'a", "SELECT …", SAME },
		{ "select '", "SELECT …", SAME },
		{ "select \"a", "SELECT …", SAME },
		{ "select \\a", "SELECT …", SAME },
		{ "select a\x01"
		  "b",
		  "SELECT …", SAME },
		{ "select a\x7f"
		  "b",
		  "SELECT …", SAME },
		{ "select \x1b[31m", "SELECT …", SAME },
		{ "select a\xff", "SELECT …", SAME },
		{ "select \xc3", "SELECT …", SAME },
		{ "select \xc0\xaf", "SELECT …", SAME },
		{ "select a\xe2\x80\xae"
		  "b",
		  "SELECT …", SAME },
		{ "select a\xc2\x9b"
		  "b",
		  "SELECT …", SAME },
		{ "select \"a\xff\" x", "SELECT …", "select ? x" },
		{ "select \"a\nb\" x", "SELECT …", "select ? x" },
		{ "select `a\nb`, x", "select `a b`, x", "SELECT …" },
		{ "select `a", "select `a", "SELECT …" },
		{ "\xff", "…", SAME },
		{ "'a", "…", SAME },
		{ "'a' b 'c", "B …", SAME },
		{ "a1 'b", "…", SAME },
		{ "a_b 'b", "…", SAME },
		{ "straße 'b", "…", SAME },
		{ "abcdefghijklmnop 'b", "ABCDEFGHIJKLMNOP …", SAME },
		{ "abcdefghijklmnopq 'b", "…", SAME },
		{ "/* a */ (Select 'b", "SELECT …", SAME },
		{ "5 'a' /* x */ delete 'b", "DELETE …", SAME },
		{ "(((", "(((", SAME },
		{ ")", ")", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

static void leaves_out_what_was_cut(void **state)
{
	static const struct sample samples[] = {
		{ "", "…", SAME },
		{ "sel", "…", SAME },
		{ "select ", "select …", SAME },
		{ "select * from ord", "select * from …", SAME },
		{ "select * from ord ", "select * from ord …", SAME },
		{ "select * from t where a = 12", "select * from t where a = …", SAME },
		{ "select * from t where a = 'b'", "select * from t where a = …", SAME },
		{ "select * from t where a = 'b' ", "select * from t where a = ? …", SAME },
		{ "select a,", "select a …", SAME },
		{ "select a <", "select a …", SAME },
		{ "select a in (1, 2", "select a in (?, …", SAME },
		{ "select a in (1, 2)", "select a in (?, ? …", SAME },
		{ "select a in (1, 2) ", "select a in (?) …", SAME },
		{ "select a /", "select a …", SAME },
		{ "select a /* b */", "select a …", SAME },
		{ "select a /* b */ ", "select a …", SAME },
		{ "select a -", "select a …", SAME },
		{ "select $1", "select …", "SELECT …" },
		/* Still open: what we took for text may be the inside of a literal. */
		{ "select a, 'b", "SELECT …", SAME },
		{ "select a, 'b''", "SELECT …", SAME },
		{ "select a, \"b", "SELECT …", SAME },
		{ "select a, `b", "select a, ` …", "SELECT …" },
		{ "select a /* b", "SELECT …", SAME },
		{ "select a -- b", "SELECT …", SAME },
		{ "select a, $", "SELECT …", SAME },
		{ "select a, $t", "SELECT …", SAME },
		{ "select a, $t$b", "SELECT …", SAME },
		{ "select a, E", "select a, …", SAME },
		{ "select a, U&", "select a, U …", SAME },
		{ "select größ\xc3", "SELECT …", SAME },
		{ "create user", "create …", SAME },
		{ "create user u", "CREATE …", SAME },
		{ "grant a to b identified", "grant a to b …", SAME },
		{ "set a = b", "set a = …", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), true);
}

static void stops_at_nul(void **state)
{
	static const char in[] = "select a \0 'b'", quoted[] = "select 'a\0b' c";

	(void)state;
	for (enum sql_dialect d = 0; d < SQL_DIALECT_MAX; d++) {
		expect(d, in, sizeof(in) - 1, false, "SELECT …");
		expect(d, in, sizeof(in) - 1, true, "SELECT …");
		expect(d, quoted, sizeof(quoted) - 1, false, "SELECT …");
		expect(d, "select\0", 7, false, "…");
		expect(d, "\0", 1, false, "…");
	}
}

/* Cut between tokens, and always terminated. */
static void fits_into_what_there_is(void **state)
{
	static const char in[] = "select größe, 'a' from t where b in (1, 2)";
	static const struct {
		size_t size;
		const char *out;
	} samples[] = {
		{ 1, "" },
		{ 2, "" },
		{ 3, "" },
		{ 4, "…" },
		{ 10, "…" },
		{ 11, "select …" },
		{ 18, "select …" },
		{ 19, "select größe …" },
		{ 20, "select größe, …" },
		{ 22, "select größe, ? …" },
		{ 64, "select größe, ? from t where b in (?)" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		memset(out, 'x', sizeof(out));
		(void)sql_redact(SQL_POSTGRESQL, in, strlen(in), false, out, samples[i].size);
		assert_string_equal(out, samples[i].out);
	}
	memset(out, 'x', sizeof(out));
	assert_int_equal(sql_redact(SQL_MYSQL, in, strlen(in), false, out, 0), 0);
	assert_int_equal(out[0], 'x');
	(void)sql_redact(SQL_MYSQL, "select 'a", 9, false, out, 8);
	assert_string_equal(out, "…");
	(void)sql_redact(SQL_MYSQL, "select a, b, 'c", 15, false, out, 12);
	assert_string_equal(out, "SELECT …");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_shape),	 cmocka_unit_test(keeps_parameters),
		cmocka_unit_test(hides_strings),	 cmocka_unit_test(doubts_backslashes),
		cmocka_unit_test(hides_dollar_quotes),	 cmocka_unit_test(hides_numbers),
		cmocka_unit_test(folds_lists),		 cmocka_unit_test(drops_comments),
		cmocka_unit_test(doubts_what_is_no_sql), cmocka_unit_test(leaves_out_what_was_cut),
		cmocka_unit_test(stops_at_nul),		 cmocka_unit_test(fits_into_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
