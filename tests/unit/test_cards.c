// SPDX-License-Identifier: GPL-2.0-or-later
/* What a person reads of one connection, one repair, and the daemon. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/print.h"

static char said[16384];

/* What `print` writes to standard output of a document with this one row; JSON in '. */
static void tell(void (*print)(const struct cli *c, json_t *rows), const char *row)
{
	const struct cli c = { .style.width = 80 };
	int real = dup(STDOUT_FILENO), to = memfd_create("said", 0);
	char text[4096], *at;
	json_error_t why;
	json_t *rows;
	ssize_t n;

	(void)snprintf(text, sizeof(text), "[%s]", row);
	for (at = text; (at = strchr(at, '\'')); at++)
		*at = '"';
	rows = json_loads(text, 0, &why);
	if (!rows)
		fail_msg("%s: %s", row, why.text);
	(void)fflush(stdout);
	(void)dup2(to, STDOUT_FILENO);
	print(&c, rows);
	(void)fflush(stdout);
	(void)dup2(real, STDOUT_FILENO);
	(void)close(real);
	n = pread(to, said, sizeof(said) - 1, 0);
	assert_true(n >= 0);
	said[n] = '\0';
	(void)close(to);
	json_decref(rows);
}

static void has(const char *line)
{
	if (!strstr(said, line))
		fail_msg("not said: '%s' in:\n%s", line, said);
}

static void has_not(const char *text)
{
	if (strstr(said, text))
		fail_msg("said: '%s' in:\n%s", text, said);
}

static void what_is_not_known_is_a_dash(void **state)
{
	(void)state;
	tell(print_show, "{ 'id': 'c1.2', 'user': null, 'netns': null, 'language': null }");
	has("connection   c1.2\n");
	has("owner        - (pid -, uid -), held by -\n");
	has("speaks       - (by: -), user -, database -, backend -\n");
	has("age          - (since - UTC)\n");
	has("round trip   -, variance - ms2, jitter -\n");
	/* What most connections have not is left out. */
	has_not("namespace");
	has_not("language");
	has_not("statement");
	has_not("trace");
	has_not("encrypted");
	has_not("pool ");
	has_not("finding");
	has_not("process has");
}

static void a_connection_is_told_with_all_that_is_known(void **state)
{
	(void)state;
	tell(print_show,
	     "{ 'id': 'c1.2', 'comm': 'shop', 'pid': 7, 'uid': 33, 'holders': 2,"
	     "  'local': '127.0.0.1:40000', 'remote': '127.0.0.1:5432', 'netns': 'ns7',"
	     "  'protocol': 'postgresql', 'protocol_evidence': 'wire', 'user': 'app',"
	     "  'database': 'shop', 'backend_pid': 99, 'activity': 'idle-in-txn',"
	     "  'age_s': 125, 'age_is_lower_bound': true, 'quiet_s': 4.24, 'txn_s': 61,"
	     "  'opened_at': '2026-01-02T03:04:05.678Z', 'rtt_us': 85, 'tls': true, 'paused': true,"
	     "  'compressed': true, 'uncertain': true, 'trace_id': '00ab', 'sql_note': 'no text',"
	     "  'handles': { 'connections': 3, 'results': 4 },"
	     "  'pool': { 'open': 9, 'in_use': 5, 'idle': 4, 'in_txn': 1, 'line': 66, 'gear': 2 } }");
	has("owner        shop (pid 7, uid 33), held by 2\n");
	has("addresses    127.0.0.1:40000 -> 127.0.0.1:5432\n");
	has("namespace    ns7\n");
	has("speaks       postgresql (by: wire), user app, database shop, backend 99\n");
	has("age          at least 2m05s (since 2026-01-02 03:04:05 UTC)\n");
	has("activity     idle-in-txn, quiet for 4.2s, transaction 1m01s\n");
	has("round trip   85us,");
	has("statement    no text\n");
	has("trace        00ab\n");
	has("encrypted    yes");
	has("compressed   yes");
	has("paused       yes");
	has("uncertain    yes");
	has("process has  3 connections and 4 results of its library's not given back\n");
	has("pool         9 open, 5 in use, 4 idle, 1 in a transaction; line at 66, gear 2\n");
}

static void a_long_text_is_wrapped_between_words_below_its_label(void **state)
{
	(void)state;
	tell(print_show, "{ 'sql': 'select aaaaaaaaaa, bbbbbbbbbb, cccccccccc, dddddddddd from t "
			 "where some_column = ? and another = ?', 'sql_note': 'not both' }");
	has("statement    select aaaaaaaaaa, bbbbbbbbbb, cccccccccc, dddddddddd from t where\n"
	    "             some_column = ? and another = ?\n");
	has_not("not both");
	/* One that cannot be, is not cut either. */
	tell(print_show, "{ 'sql': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			 "aaaaaaaaaaaaaaaaaaaa' }");
	has("statement    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaa\n");
}

static void the_applications_own_frame_is_marked(void **state)
{
	(void)state;
	tell(print_show, "{ 'stack_at': 'request', 'stack': ["
			 " { 'function': 'PQexec', 'module': 'libpq.so.5', 'file': null },"
			 " { 'function': 'pay', 'module': 'shop', 'file': 'pay.c', 'line': 12,"
			 "   'application': true } ],"
			 " 'connect_stack': [ { 'function': 'dial', 'module': 'shop' } ] }");
	has("stack          PQexec  libpq.so.5:-\n"
	    "             * pay  pay.c:12\n");
	has("connected by   dial  shop:-\n");
	/* Where the stack is that of connect() it is not told twice. */
	tell(print_show, "{ 'stack_at': 'connect', 'stack': [ { 'function': 'dial' } ],"
			 " 'connect_stack': [ { 'function': 'dial' } ] }");
	has("connected by");
	has_not("stack ");
}

static void findings_and_repairs_are_told_below(void **state)
{
	(void)state;
	tell(print_show,
	     "{ 'findings': [ { 'id': 'f1', 'kind': 'held', 'state': 'suspect', 'since_s': 12,"
	     "   'confidence': 0.5, 'evidence': 'passed by' } ],"
	     "  'repairs': ["
	     "  { 'type': 'finding', 'verdict': 'act', 'action': 'nothing of a repair' },"
	     "  { 'type': 'repair', 'verdict': 'act', 'action': 'close', 'outcome': 'done',"
	     "    'reason': 'rule', 'at': '2026-01-02T03:04:05Z' },"
	     "  { 'type': 'repair', 'verdict': 'refuse', 'action': 'defuse', 'outcome': 'none',"
	     "    'reason': 'budget', 'at': '2026-01-02T03:04:06Z' } ] }");
	has("finding      f1 held, suspect for 12s, confidence 0.5: passed by\n");
	has("repair       2026-01-02 03:04:05 close: done\n");
	has("repair       2026-01-02 03:04:06 refuse: budget\n");
	has_not("nothing of a repair");
}

#define EFFECTS "'effects': { 'summary': 'ends it', 'to_client': 'an error', " \
		"'to_server': 'a rollback', 'undo': 'none' }"

static void what_a_repair_would_do_is_no_outcome(void **state)
{
	(void)state;
	tell(print_fix, "{ 'conn': 'c1.2', 'comm': 'shop', 'pid': 7, 'verdict': 'act', 'dry': true,"
			" 'action': 'close', 'outcome': 'none', " EFFECTS " }");
	has("connection   c1.2 of shop 7\n"
	    "would        close: ends it\n"
	    "the client   an error\n"
	    "the server   a rollback\n"
	    "undo         none\n"
	    "\nNothing was done. To do it: plimsoll fix c1.2 --with close --yes\n");
	has_not("outcome");
	has_not("refused");
}

static void what_a_repair_did_is_told_step_by_step(void **state)
{
	(void)state;
	tell(print_fix, "{ 'conn': 'c1.2', 'verdict': 'act', 'dry': false, 'action': 'close',"
			" 'outcome': 'done', 'helped': true, 'steps': ["
			" { 'name': 'verify', 'ok': true, 'note': 'nothing moved' },"
			" { 'name': 'shutdown', 'ok': false, 'note': null } ], " EFFECTS " }");
	has("action       close: ends it\n");
	has("steps        verify     ok, nothing moved\n"
	    "             shutdown   failed\n");
	has("outcome      done, helped: yes\n");
	has_not("Nothing was done");
}

static void a_refusal_has_its_reason_and_no_command(void **state)
{
	static const char *const dry[] = { "true", "false" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char row[512];

		(void)snprintf(row, sizeof(row), "{ 'conn': 'c1.2', 'verdict': 'refuse', 'dry': %s,"
			       " 'reason': 'unix-socket', 'action': 'close', " EFFECTS " }", dry[i]);
		tell(print_fix, row);
		has("refused      unix-socket\n"
		    "would        close: ends it\n");
		has_not("outcome");
		has_not("Nothing was done");
	}
}

static void the_status_tells_what_went_wrong(void **state)
{
	(void)state;
	tell(print_status,
	     "{ 'version': '1.0', 'kernel': '6.1', 'uptime_s': 7200, 'mode': 'fix', 'stopped': true,"
	     "  'connections': 12, 'pools': 3, 'repairs': 4, 'journal': true, 'regrets': 2,"
	     "  'findings': { 'confirmed': 1, 'suspect': 2, 'retracted': 3, 'mended': 4 },"
	     "  'detectors': [ { 'kind': 'held', 'regrets': 2, 'confirmed': 9 },"
	     "                 { 'kind': 'stuck', 'regrets': 0, 'confirmed': 5 } ],"
	     "  'counters': { 'slots_lost': 17, 'ring_lost': 0 } }");
	has("plimsolld    1.0 on Linux 6.1, up 2h00m\n"
	    "mode         fix, repairs stopped\n"
	    "connections  12 in 3 pools\n"
	    "findings     1 confirmed, 2 suspect; so far 3 retracted, 4 mended\n"
	    "regrets      2, 2 of 9 held\n"
	    "repairs      4\n"
	    "journal      written\n"
	    "lost         slots_lost: 17\n");
	has_not("ring_lost");
	has_not("stuck");
	tell(print_status, "{ 'mode': 'observe', 'stopped': false, 'journal': false }");
	has("mode         observe\n");
	has("journal      none, hence no repairs\n");
}

static void the_doctor_says_why_not(void **state)
{
	(void)state;
	tell(print_doctor,
	     "{ 'kernel': '6.1', 'facts': ["
	     "  { 'fact': 'state', 'way': 'tracepoint', 'works': true, 'why_not': 'never said' },"
	     "  { 'fact': 'stacks', 'way': 'sendmsg', 'works': false, 'why_not': 'too old' } ],"
	     "  'blind': { 'encrypted': 4, 'uncertain': 0 }, 'libraries': null,"
	     "  'counters': [ { 'value': 3, 'help': 'records that were lost' } ] }");
	has("ok   state                                tracepoint\n"
	    "no   stacks                               sendmsg\n"
	    "     too old\n");
	has("       4 connections encrypted\n");
	has("       3 records that were lost\n");
	has_not("never said");
	has_not("client libraries");
	tell(print_doctor, "{ 'libraries': { 'watched': 2, 'not_read': 1 } }");
	has("       2 watched\n");
	has("       1 that could not be read\n");
}

static void what_comes_from_a_process_cannot_steer_the_terminal(void **state)
{
	(void)state;
	tell(print_show, "{ 'comm': 'a\\u001b[2Jb', 'stack': [ { 'function': 'f\\u0007' } ],"
			 " 'findings': [ { 'evidence': 'e\\u001b]0;x' } ] }");
	for (const char *at = said; *at; at++)
		assert_true(*at == '\n' || ((unsigned char)*at >= ' ' && *at != 0x7f));
}

static void stopped_or_not(void **state)
{
	(void)state;
	tell(print_stopped, "{ 'stopped': true }");
	assert_string_equal(said, "repairs are stopped\n");
	tell(print_stopped, "{ 'stopped': false }");
	assert_string_equal(said, "repairs may begin again\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_is_a_dash),
		cmocka_unit_test(a_connection_is_told_with_all_that_is_known),
		cmocka_unit_test(a_long_text_is_wrapped_between_words_below_its_label),
		cmocka_unit_test(the_applications_own_frame_is_marked),
		cmocka_unit_test(findings_and_repairs_are_told_below),
		cmocka_unit_test(what_a_repair_would_do_is_no_outcome),
		cmocka_unit_test(what_a_repair_did_is_told_step_by_step),
		cmocka_unit_test(a_refusal_has_its_reason_and_no_command),
		cmocka_unit_test(the_status_tells_what_went_wrong),
		cmocka_unit_test(the_doctor_says_why_not),
		cmocka_unit_test(what_comes_from_a_process_cannot_steer_the_terminal),
		cmocka_unit_test(stopped_or_not),
	};

	return cmocka_run_group_tests_name("cards", tests, NULL, NULL);
}
