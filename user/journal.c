// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The journal: one SQLite file.
 *
 * `entry` holds one row for each thing written, in the order it was written;
 * `repair` one row for each repair begun, whose id is the primary key, so that
 * beginning one twice fails in the database whatever the program believes.  A
 * statement that returns is on the disk (WAL with synchronous=FULL).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "journal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/sql.h"

#define SAID_MAX 4096

struct journal {
	sqlite3 *db;
	uint64_t said[SAID_MAX]; /* refusals written lately, to spare the database */
	bool gathering, gathered; /* between journal_begin() and _end(); something was */
};

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE entry (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL,"
	" ref TEXT NOT NULL, reason TEXT, json TEXT);"
	"CREATE INDEX entry_at ON entry (at);"
	"CREATE UNIQUE INDEX entry_refusal ON entry (ref, reason) WHERE kind = 'refusal';"
	"CREATE TABLE repair (id TEXT PRIMARY KEY, outcome TEXT, json TEXT NOT NULL,"
	" precondition TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX repair_open ON repair (id) WHERE outcome IS NULL;"
	"PRAGMA user_version = 1;"
	"COMMIT;";
_Static_assert(JOURNAL_SCHEMA == 1, "schema writes its own number");

static void cleanup_json(json_t **j)
{
	json_decref(*j);
}

#define _json_ __attribute__((cleanup(cleanup_json)))

static bool is_sound(struct journal *j)
{
	_stmt_ sqlite3_stmt *s = NULL;

	if (sql_prepare(j->db, "PRAGMA quick_check(1)", &s) < 0 || sqlite3_step(s) != SQLITE_ROW)
		return false;
	return strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0;
}

static int refuse_damaged(const char *path)
{
	(void)log_err(0, "journal '%s' is damaged, move it away to begin a new one", path);
	return -EBADMSG;
}

/* Makes sure that the file is a journal of this version. */
static int check_schema(struct journal *j, const char *path)
{
	int64_t version, tables;
	int r = sql_number(j->db, "PRAGMA user_version", &version);

	if (r == 0)
		r = sql_number(j->db, "SELECT count(*) FROM sqlite_master", &tables);
	if (r == -EBADMSG)
		return refuse_damaged(path);
	if (r < 0)
		return log_err(r, "cannot read journal '%s'", path);
	if (version == JOURNAL_SCHEMA)
		return is_sound(j) ? 0 : refuse_damaged(path);
	if (version > JOURNAL_SCHEMA) {
		(void)log_err(
			0, "journal '%s' has schema %lld, this plimsoll knows %d: use a newer one",
			path, (long long)version, JOURNAL_SCHEMA);
		return -EPROTONOSUPPORT;
	}
	if (!tables && !version)
		return -ENODATA;
	(void)log_err(0, "'%s' is a database, but no journal", path);
	return -EBADMSG;
}

static int prepare_to_write(struct journal *j, const char *path)
{
	int r = check_schema(j, path);

	if (r < 0 && r != -ENODATA)
		return r;
	if (sql_command(j->db, "PRAGMA journal_mode = WAL") < 0 ||
	    sql_command(j->db, "PRAGMA synchronous = FULL") < 0 ||
	    (r < 0 && sql_command(j->db, schema) < 0))
		return log_err(sql_errno(j->db), "cannot write journal '%s'", path);
	return 0;
}

/* The directory, ours and nobody else's to write, not through a link. */
static int open_dir(const char *dir, int *ret_fd)
{
	_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return log_err(-errno, "cannot make state directory '%s'", dir);
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return log_err(-errno, "cannot open state directory '%s'", dir);
	if (st.st_uid != geteuid())
		(void)log_err(0, "state directory '%s' belongs to uid %u", dir, st.st_uid);
	else if (st.st_mode & 022)
		(void)log_err(0, "state directory '%s' can be written by others", dir);
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Nobody else can write in the directory, so what is checked here is what is opened. */
static int check_file(int dir_fd, const char *path, int flags)
{
	_close_ int fd = openat(dir_fd, JOURNAL_FILE, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return log_err(-errno, "cannot open journal '%s'", path);
	if (S_ISREG(st.st_mode))
		return 0;
	(void)log_err(0, "journal '%s' is no file", path);
	return -EBADMSG;
}

static int open_db(const char *path, int flags, struct journal **ret)
{
	struct journal *j = calloc(1, sizeof(*j));
	int r = 0;

	if (!j)
		return log_err(-ENOMEM, "cannot open journal '%s'", path);
	if (sqlite3_open_v2(path, &j->db, flags, NULL) != SQLITE_OK)
		r = log_err(sql_errno(j->db), "cannot open journal '%s'", path);
	else
		(void)sqlite3_busy_timeout(j->db, 2000);
	if (r < 0)
		journal_close(j);
	else
		*ret = j;
	return r;
}

int journal_open(const char *dir, struct journal **ret)
{
	_free_ char *path = NULL;
	_close_ int dir_fd = -1;
	struct journal *j = NULL;
	int r = open_dir(dir, &dir_fd);

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/" JOURNAL_FILE, dir) < 0)
		return log_err(-ENOMEM, "cannot open journal in '%s'", dir);
	r = check_file(dir_fd, path, O_RDWR | O_CREAT);
	if (r == 0)
		r = open_db(path, SQLITE_OPEN_READWRITE, &j);
	if (r == 0)
		r = prepare_to_write(j, path);
	if (r < 0)
		journal_close(j);
	else
		*ret = j;
	return r;
}

int journal_open_readonly(const char *dir, struct journal **ret)
{
	_free_ char *path = NULL;
	struct journal *j = NULL;
	struct stat st;
	int r;

	if (asprintf(&path, "%s/" JOURNAL_FILE, dir) < 0)
		return log_err(-ENOMEM, "cannot open journal in '%s'", dir);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? -ENOENT
				       : log_err(-errno, "cannot open journal '%s'", path);
	r = open_db(path, SQLITE_OPEN_READONLY, &j);
	if (r == 0)
		r = check_schema(j, path);
	/* Made, but nothing was ever written. */
	if (r == -ENODATA)
		r = -ENOENT;
	if (r < 0)
		journal_close(j);
	else
		*ret = j;
	return r;
}

static int write_gathered(struct journal *j)
{
	int r;

	if (!j->gathered)
		return 0;
	j->gathered = false;
	r = sql_command(j->db, "COMMIT");
	if (r < 0) {
		(void)log_err(r, "findings are missing from the journal");
		(void)sql_command(j->db, "ROLLBACK");
	}
	return r;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	(void)write_gathered(j);
	(void)sqlite3_close(j->db);
	free(j);
}

void journal_begin(struct journal *j)
{
	j->gathering = true;
}

int journal_end(struct journal *j)
{
	j->gathering = false;
	return write_gathered(j);
}

static int gather(struct journal *j)
{
	int r = j->gathering && !j->gathered ? sql_command(j->db, "BEGIN IMMEDIATE") : 0;

	j->gathered |= j->gathering && r == 0;
	return r;
}

static int add_entry(struct journal *j, const char *sql, uint64_t wall_ns,
		     const char *const texts[static 4])
{
	_stmt_ sqlite3_stmt *s = NULL;
	int r = sql_prepare(j->db, sql, &s);

	if (r == 0 && sqlite3_bind_int64(s, 1, (int64_t)wall_ns) != SQLITE_OK)
		r = sql_errno(j->db);
	if (r == 0)
		r = sql_bind_texts(s, 2, texts, 4);
	return r < 0 ? r : sql_run(s);
}

#define INTO_ENTRY "INTO entry (at, kind, ref, reason, json) VALUES (?, ?, ?, ?, ?)"

static uint64_t state_since(const struct finding *f)
{
	switch (f->state) {
	case FINDING_SUSPECT:
		return f->suspected_ns;
	case FINDING_CONFIRMED:
		return f->confirmed_ns;
	default:
		return f->ended_ns;
	}
}

int journal_finding(struct journal *j, const struct finding *f)
{
	uint64_t now_ns = state_since(f), wall_ns = clock_wall_ns(now_ns);
	_json_ json_t *doc = json_pack("{ss so}", "type", "finding", "at", time_to_json(wall_ns));
	_json_ json_t *finding = finding_to_json(f, now_ns);
	_free_ char *text = NULL;
	int r;

	if (!doc || json_object_update(doc, finding) < 0)
		return -ENOMEM;
	text = json_dumps(doc, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	r = gather(j);
	return r < 0 ? r : add_entry(j, "INSERT " INTO_ENTRY, wall_ns,
				     (const char *[]){ "finding", f->id, NULL, text });
}

/* The document as the journal holds it; a new string, or NULL. */
static char *repair_text(const struct repair *r, json_t *first_step)
{
	_json_ json_t *doc = json_pack("{ss}", "type", "repair");
	_json_ json_t *repair = repair_to_json(r);

	if (!doc || json_object_update(doc, repair) < 0)
		return NULL;
	if (first_step)
		(void)json_array_insert(json_object_get(doc, "steps"), 0, first_step);
	return json_dumps(doc, JSON_COMPACT);
}

/* Where a refusal is remembered, and as what. */
static uint64_t *said_at(struct journal *j, const struct repair *r, uint64_t *ret_hash)
{
	*ret_hash = XXH3_64bits_withSeed(r->finding.id, strlen(r->finding.id),
					 (uint64_t)r->verdict.reason);
	return &j->said[*ret_hash % SAID_MAX];
}

int journal_refusal(struct journal *j, const struct repair *r)
{
	bool by_order = !*r->finding.id;
	_free_ char *text = NULL;
	uint64_t hash, *said = said_at(j, r, &hash);
	int err;

	if (!by_order && *said == hash)
		return 0;
	text = repair_text(r, NULL);
	if (!text)
		return -ENOMEM;
	err = gather(j);
	if (err < 0)
		return err;
	/* An order about a connection without a finding is worth a row every time. */
	err = add_entry(j, "INSERT OR IGNORE " INTO_ENTRY, clock_wall_ns(r->at_ns),
			(const char *[]){ by_order ? "order" : "refusal",
					  by_order ? r->finding.conn.id : r->finding.id,
					  reason_word(r->verdict.reason), text });
	if (err == 0 && !by_order)
		*said = hash;
	return err;
}

static int begin_repair(struct journal *j, const struct repair *r, uint64_t wall_ns)
{
	_json_ json_t *step = step_to_json("intent", 0, wall_ns, "");
	_json_ json_t *pre = precondition_to_json(&r->pre);
	_free_ char *text = repair_text(r, step);
	_free_ char *pre_text = json_dumps(pre, JSON_COMPACT);
	_stmt_ sqlite3_stmt *s = NULL;
	int err;

	if (!text || !pre_text)
		return -ENOMEM;
	err = sql_prepare(j->db, "INSERT INTO repair (id, json, precondition) VALUES (?, ?, ?)",
			  &s);
	if (err == 0)
		err = sql_bind_texts(s, 1, (const char *[]){ r->id, text, pre_text }, 3);
	if (err == 0)
		err = sql_run(s);
	if (err < 0)
		return err;
	return add_entry(j, "INSERT " INTO_ENTRY, wall_ns,
			 (const char *[]){ "repair", r->id, NULL, NULL });
}

int journal_intent(struct journal *j, const struct repair *r)
{
	int err;

	(void)write_gathered(j);
	err = sql_command(j->db, "BEGIN IMMEDIATE");
	if (err < 0)
		return err;
	err = begin_repair(j, r, clock_wall_ns(r->at_ns));
	if (err == 0)
		err = sql_command(j->db, "COMMIT");
	if (err < 0)
		(void)sql_command(j->db, "ROLLBACK");
	return err;
}

static bool exists(struct journal *j, const char *id)
{
	_stmt_ sqlite3_stmt *s = NULL;

	return sql_prepare(j->db, "SELECT 1 FROM repair WHERE id = ?", &s) == 0 &&
	       sql_bind_texts(s, 1, &id, 1) == 0 && sqlite3_step(s) == SQLITE_ROW;
}

static int write_outcome(struct journal *j, const char *id, enum outcome outcome, const char *text)
{
	_stmt_ sqlite3_stmt *s = NULL;
	int r = sql_prepare(
		j->db, "UPDATE repair SET outcome = ?, json = ? WHERE id = ? AND outcome IS NULL",
		&s);

	if (r == 0)
		r = sql_bind_texts(s, 1, (const char *[]){ outcome_name(outcome), text, id }, 3);
	if (r == 0)
		r = sql_run(s);
	if (r < 0 || sqlite3_changes(j->db))
		return r;
	return exists(j, id) ? -EALREADY : -ENOENT;
}

int journal_outcome(struct journal *j, const struct repair *r)
{
	_free_ char *text = repair_text(r, NULL);

	(void)write_gathered(j);
	return text ? write_outcome(j, r->id, r->outcome, text) : -ENOMEM;
}

/* Every repair without an outcome, read to the end before anybody acts on it. */
static json_t *read_unresolved(struct journal *j)
{
	_stmt_ sqlite3_stmt *s = NULL;
	json_t *list;
	int r;

	if (sql_prepare(j->db,
			"SELECT r.json, r.precondition FROM repair r JOIN entry e"
			" ON e.kind = 'repair' AND e.ref = r.id WHERE r.outcome IS NULL"
			" ORDER BY e.seq",
			&s) < 0)
		return NULL;
	list = json_array();
	while ((r = sqlite3_step(s)) == SQLITE_ROW) {
		json_t *doc = json_loads((const char *)sqlite3_column_text(s, 0), 0, NULL);

		json_object_set_new(doc, "precondition",
				    json_loads((const char *)sqlite3_column_text(s, 1), 0, NULL));
		json_array_append_new(list, doc);
	}
	if (r == SQLITE_DONE)
		return list;
	json_decref(list);
	return NULL;
}

int journal_unresolved(struct journal *j, void (*fn)(json_t *repair, void *arg), void *arg)
{
	_json_ json_t *list = read_unresolved(j);
	json_t *repair;
	size_t i;

	if (!list)
		return sql_errno(j->db);
	json_array_foreach(list, i, repair)
		fn(repair, arg);
	return 0;
}

/* The document of repair `id`, or NULL. */
static json_t *read_repair(struct journal *j, const char *id)
{
	_stmt_ sqlite3_stmt *s = NULL;

	if (sql_prepare(j->db, "SELECT json FROM repair WHERE id = ?", &s) < 0 ||
	    sql_bind_texts(s, 1, &id, 1) < 0 || sqlite3_step(s) != SQLITE_ROW)
		return NULL;
	return json_loads((const char *)sqlite3_column_text(s, 0), 0, NULL);
}

int journal_settle(struct journal *j, const char *repair_id, enum outcome outcome, const char *note)
{
	_json_ json_t *doc = read_repair(j, repair_id);
	uint64_t wall_ns = clock_wall_ns(clock_now_ns());
	_free_ char *text = NULL;

	if (!doc)
		return -ENOENT;
	json_array_append_new(json_object_get(doc, "steps"),
			      step_to_json("settle", 0, wall_ns, note));
	json_object_set_new(doc, "outcome", json_string(outcome_name(outcome)));
	text = json_dumps(doc, JSON_COMPACT);
	return text ? write_outcome(j, repair_id, outcome, text) : -ENOMEM;
}

json_t *journal_read(struct journal *j, uint64_t since_ns)
{
	_stmt_ sqlite3_stmt *s = NULL;
	json_t *list;
	int r;

	if (sql_prepare(j->db,
			"SELECT coalesce(r.json, e.json) FROM entry e LEFT JOIN repair r"
			" ON e.kind = 'repair' AND r.id = e.ref WHERE e.at >= ? ORDER BY e.seq",
			&s) < 0 ||
	    sqlite3_bind_int64(s, 1, (int64_t)since_ns) != SQLITE_OK)
		return NULL;
	list = json_array();
	while ((r = sqlite3_step(s)) == SQLITE_ROW)
		json_array_append_new(list,
				      json_loads((const char *)sqlite3_column_text(s, 0), 0, NULL));
	if (r == SQLITE_DONE)
		return list;
	json_decref(list);
	return NULL;
}
