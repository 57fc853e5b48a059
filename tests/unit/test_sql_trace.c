// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sql.h"

#define ID     "5bd66ef5095369c7b0d1f8f4bd33716a"
#define PARENT "00-" ID "-c532cb4098ac3dd2-01"

static void finds_the_trace(void **state)
{
	static const char *const samples[] = {
		"select 1 /*traceparent='" PARENT "'*/",
		"select 1 /*traceparent='" PARENT "'*/ ; ",
		"select 1; /* traceparent = '" PARENT "' */",
		"/*traceparent='" PARENT "'*/ select 1",
		" \n/*traceparent='" PARENT "'*/select 1",
		"/*traceparent=" PARENT "*/ select 1",
		"select 1 /*action='%2Fa',traceparent='" PARENT "',x='y'*/",
		"select 1 /*a='b', traceparent='" PARENT "'*/",
		"select 1 /*traceparent='00%2D" ID "%2dc532cb4098ac3dd2%2D01'*/",
		"select 1 /*trace%70arent='" PARENT "'*/",
		"select 1 /*traceparent='00-5BD66EF5095369C7B0D1F8F4BD33716A-C532CB4098AC3DD2-01'*/",
		"/* app */ /*traceparent='" PARENT "'*/ select 1",
		"select 1 /*traceparent='" PARENT "'*/ /* app */",
		"select 1 /*traceparent='01-" ID "-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='cc-" ID "-c532cb4098ac3dd2-01-more'*/",
		"select 1 /*traceparent='00-" ID "-c532cb4098ac3dd2-ff'*/",
		"/*traceparent='" PARENT "'*/",
	};
	char id[SQL_TRACE_ID_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		memset(id, 'x', sizeof(id));
		if (!sql_trace_id(samples[i], strlen(samples[i]), id))
			fail_msg("none in %s", samples[i]);
		assert_string_equal(id, ID);
	}
}

static void refuses_other_traces(void **state)
{
	static const char *const samples[] = {
		"",
		"/*",
		"/*/",
		"*/",
		"/**/",
		"select 1",
		"select '/*traceparent=" PARENT "*/'",
		"select 1 /*traceparent='" PARENT "'*/ from t",
		"select 1 /*traceparent='" PARENT "'",
		"select 1 -- traceparent='" PARENT "'",
		"select 1 /*traceparent*/",
		"select 1 /*traceparent=*/",
		"select 1 /*traceparent=''*/",
		"select 1 /*xtraceparent='" PARENT "'*/",
		"select 1 /*traceparents='" PARENT "'*/",
		"select 1 /*tracepar='" PARENT "'*/",
		"select 1 /*Traceparent:'" PARENT "'*/",
		"select 1 /*traceparent='ff-" ID "-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='FF-" ID "-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='0-" ID "-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='00-00000000000000000000000000000000-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='00-" ID "-0000000000000000-01'*/",
		"select 1 /*traceparent='00-" ID "-c532cb4098ac3dd2-0'*/",
		"select 1 /*traceparent='00-" ID "-c532cb4098ac3dd2-01-more'*/",
		"select 1 /*traceparent='00-" ID "-c532cb4098ac3dd2-012'*/",
		"select 1 /*traceparent='01-" ID "-c532cb4098ac3dd2-012'*/",
		"select 1 /*traceparent='00-" ID "-c532cb4098ac3dd2'*/",
		"select 1 /*traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716g-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='00_" ID "_c532cb4098ac3dd2_01'*/",
		"select 1 /*traceparent='00%2" ID "-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='00%zz" ID "-c532cb4098ac3dd2-01'*/",
		"select 1 /*traceparent='00%2D" ID "-c532cb4098ac3dd2-01%'*/",
	};
	char id[SQL_TRACE_ID_LEN] = "untouched";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		if (sql_trace_id(samples[i], strlen(samples[i]), id))
			fail_msg("%s in %s", id, samples[i]);
		assert_string_equal(id, "untouched");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_trace),
		cmocka_unit_test(refuses_other_traces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
