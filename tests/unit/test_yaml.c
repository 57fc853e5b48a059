// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/yaml.h"

static char why[256];
static const struct yaml_report report = { "t.yaml", why, sizeof(why) };

static struct yaml_node *must_parse(const char *text)
{
	struct yaml_node *root = NULL;

	why[0] = '\0';
	if (yaml_tree_parse(&report, text, strlen(text), &root) < 0)
		fail_msg("%s", why);
	return root;
}

static void check_scalar(const struct yaml_node *n, const char *text, size_t line, size_t column)
{
	assert_int_equal(n->kind, YAML_SCALAR);
	assert_string_equal(n->text, text);
	assert_int_equal(n->line, line);
	assert_int_equal(n->column, column);
}

static void keeps_every_place(void **state)
{
	struct yaml_node *root = must_parse("# a comment\n"
					    "a: 1\n"
					    "b:\n"
					    "  - x y\n"
					    "  - \"q\"\n"
					    "c: { d: 'z', \xc3\xa4: [ ] }\n");
	const struct yaml_node *a = root->first, *b = a->next, *c = b->next;

	(void)state;
	assert_int_equal(root->kind, YAML_MAPPING);
	assert_int_equal(root->count, 3);
	check_scalar(a, "a", 2, 1);
	check_scalar(a->value, "1", 2, 4);
	assert_true(a->value->plain);
	check_scalar(b, "b", 3, 1);
	assert_int_equal(b->value->kind, YAML_SEQUENCE);
	assert_int_equal(b->value->count, 2);
	assert_int_equal(b->value->line, 4);
	assert_int_equal(b->value->column, 3);
	check_scalar(b->value->first, "x y", 4, 5);
	check_scalar(b->value->first->next, "q", 5, 5);
	assert_false(b->value->last->plain);
	assert_null(c->next);
	assert_int_equal(c->value->kind, YAML_MAPPING);
	assert_int_equal(c->value->column, 4);
	check_scalar(c->value->first->value, "z", 6, 9);
	/* Columns are characters, not bytes. */
	check_scalar(c->value->last, "\xc3\xa4", 6, 14);
	assert_int_equal(c->value->last->value->column, 17);
	assert_int_equal(c->value->last->value->count, 0);
	yaml_tree_free(root);
}

static void takes_nothing_for_an_empty_mapping(void **state)
{
	static const char *const samples[] = {
		"", "\n", "# only a comment\n", "---\n", "---\n# a comment\n...\n", "\xef\xbb\xbf",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		struct yaml_node *root = must_parse(samples[i]);

		assert_int_equal(root->kind, YAML_MAPPING);
		assert_int_equal(root->count, 0);
		assert_int_equal(root->line, 1);
		assert_int_equal(root->column, 1);
		yaml_tree_free(root);
	}
}

static void takes_a_byte_order_mark(void **state)
{
	struct yaml_node *root = must_parse("\xef\xbb\xbf"
					    "a: 1\nb: 2\n");

	(void)state;
	check_scalar(root->first, "a", 1, 1);
	check_scalar(root->first->next, "b", 2, 1);
	yaml_tree_free(root);
}

static void must_fail(const char *bytes, size_t size, const char *want)
{
	struct yaml_node *root = (struct yaml_node *)&report;

	why[0] = '\0';
	if (yaml_tree_parse(&report, bytes, size, &root) != -EINVAL)
		fail_msg("taken: %s", bytes);
	assert_ptr_equal(root, &report);
	if (strncmp(why, want, strlen(want)))
		fail_msg("said '%s', not '%s'", why, want);
	assert_null(strchr(why, '\n'));
}

static void refuses_with_a_place(void **state)
{
	static const struct {
		const char *text, *why;
	} samples[] = {
		{ "a: &x 1\n", "t.yaml:1:4: anchors (&)" },
		{ "a: &x [1]\n", "t.yaml:1:4: anchors (&)" },
		{ "a: &x {}\n", "t.yaml:1:4: anchors (&)" },
		{ "b: 1\na: *x\n", "t.yaml:2:4: aliases (*)" },
		{ "a: 1\n<<: *x\n", "t.yaml:2:5: aliases (*)" },
		{ "a: !!str 1\n", "t.yaml:1:4: tags (!)" },
		{ "a: ! 1\n", "t.yaml:1:4: tags (!)" },
		{ "a: !x [1]\n", "t.yaml:1:4: tags (!)" },
		{ "--- !x\na: 1\n", "t.yaml:1:5: tags (!)" },
		{ "a: 1\nb: 2\na: 3\n", "t.yaml:3:1: duplicate key 'a' (first on line 1)" },
		{ "a: { b: 1, c: 2, \"b\": 3 }\n", "t.yaml:1:18: duplicate key 'b'" },
		{ "a: 1\n---\nb: 2\n", "t.yaml:2:1: more than one document" },
		{ "a: 1\n---\n", "t.yaml:2:1: more than one document" },
		{ "? [a]\n: 1\n", "t.yaml:1:3: a key must be text" },
		{ "{ {a: 1}: 2 }\n", "t.yaml:1:3: a key must be text" },
		{ "a: \"x\\0y\"\n", "t.yaml:1:4: text with a NUL character" },
		{ "a: [1, 2\n", "t.yaml:2:1: did not find expected ',' or ']'" },
		{ "a: 1\n b: 2\n", "t.yaml:2:3: mapping values are not allowed" },
		{ "a:\n\t- b\n", "t.yaml:2:1: found character that cannot start any token" },
		{ "a: 'open\n", "t.yaml:2:1: found unexpected end of stream" },
		{ "a: b\nc: \xff\n", "t.yaml:2:4: not UTF-8: " },
		{ "\xc3\xa4: \xe2\x28\xa1\n", "t.yaml:1:5: not UTF-8: invalid trailing" },
		{ "a: b\xc3", "t.yaml:1:5: not UTF-8: " },
		{ "\xff\xfe"
		  "a\n",
		  "t.yaml:1:1: not UTF-8: " },
		{ "a: 1\nb: \x01\n", "t.yaml:2:4: control characters" },
		{ "a: \"\\x1b\nb", "t.yaml:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		must_fail(samples[i].text, strlen(samples[i].text), samples[i].why);
	must_fail("a: b\0c\n", 7, "t.yaml:1:5: control characters");
}

static void shows_foreign_text_harmlessly(void **state)
{
	static const char text[] = "\"\\e[31m\": 1\n\"\\e[31m\": 2\n";

	(void)state;
	must_fail(text, strlen(text), "t.yaml:2:1: duplicate key '\\x1b[31m'");
}

static void nests_to_a_limit(void **state)
{
	char text[2 * YAML_DEPTH + 8] = "";
	char want[64];

	(void)state;
	memset(text, '[', YAML_DEPTH);
	memset(text + YAML_DEPTH, ']', YAML_DEPTH);
	yaml_tree_free(must_parse(text));
	memset(text, '[', YAML_DEPTH + 1);
	memset(text + YAML_DEPTH + 1, ']', YAML_DEPTH + 1);
	(void)snprintf(want, sizeof(want), "t.yaml:1:%d: more than %d levels deep", YAML_DEPTH + 1,
		       YAML_DEPTH);
	must_fail(text, strlen(text), want);
}

static void holds_keys_to_a_limit(void **state)
{
	char text[16 * (YAML_KEYS + 2)];
	size_t used = 0;
	struct yaml_node *root;

	(void)state;
	for (int i = 0; i < YAML_KEYS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "k%d: 1\n", i);
	root = must_parse(text);
	assert_int_equal(root->count, YAML_KEYS);
	yaml_tree_free(root);
	(void)snprintf(text + used, sizeof(text) - used, "last: 1\n");
	must_fail(text, strlen(text), "t.yaml:257:1: more than 256 keys");
}

static void holds_bytes_to_a_limit(void **state)
{
	struct yaml_node *root = NULL;
	_free_ char *text = malloc(YAML_BYTES + 1);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', YAML_BYTES + 1);
	assert_int_equal(yaml_tree_parse(&report, text, YAML_BYTES, &root), 0);
	yaml_tree_free(root);
	assert_int_equal(yaml_tree_parse(&report, text, YAML_BYTES + 1, &root), -EFBIG);
	assert_string_equal(why, "t.yaml: larger than 1 MiB");
}

static void loads_files(void **state)
{
	char path[] = "/tmp/plimsoll-yaml-XXXXXX";
	const struct yaml_report of_file = { path, why, sizeof(why) };
	const struct yaml_report of_dir = { "/", why, sizeof(why) };
	_close_ int fd = mkstemp(path);
	struct yaml_node *root = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a: 1\n", 5), 5);
	assert_int_equal(yaml_tree_load(&of_file, &root), 0);
	check_scalar(root->first->value, "1", 1, 4);
	yaml_tree_free(root);

	assert_int_equal(ftruncate(fd, YAML_BYTES + 1), 0);
	assert_int_equal(yaml_tree_load(&of_file, &root), -EFBIG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(yaml_tree_load(&of_file, &root), -ENOENT);
	assert_non_null(strstr(why, ": No such file or directory"));
	assert_int_equal(yaml_tree_load(&of_dir, &root), -EISDIR);
	assert_string_equal(why, "/: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_every_place),
		cmocka_unit_test(takes_nothing_for_an_empty_mapping),
		cmocka_unit_test(takes_a_byte_order_mark),
		cmocka_unit_test(refuses_with_a_place),
		cmocka_unit_test(shows_foreign_text_harmlessly),
		cmocka_unit_test(nests_to_a_limit),
		cmocka_unit_test(holds_keys_to_a_limit),
		cmocka_unit_test(holds_bytes_to_a_limit),
		cmocka_unit_test(loads_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
