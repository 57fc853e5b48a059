// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/container.h"

#define ID_LEN	 64
#define UUID_LEN 36
#define HASH_LEN 32 /* a static pod's uid is a hash of its file */

struct part {
	const char *at;
	size_t len;
};

static bool is_hex(const char *s, size_t len)
{
	return strspn(s, "0123456789abcdef") >= len;
}

static bool ends_with(struct part p, const char *end)
{
	size_t n = strlen(end);

	return p.len > n && !memcmp(p.at + p.len - n, end, n);
}

static bool equals(struct part p, const char *s)
{
	return p.len == strlen(s) && !memcmp(p.at, s, p.len);
}

/* What runtimes put before the id.  conmon's scope is not that of the container. */
static bool runtime_of(struct part prefix, const char **ret)
{
	static const struct {
		const char *prefix, *name;
	} runtimes[] = {
		{ "docker", "docker" },	     { "cri-containerd", "containerd" },
		{ "nerdctl", "containerd" }, { "crio", "cri-o" },
		{ "libpod", "podman" },	     { "libpod-payload", "podman" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(runtimes); i++) {
		if (equals(prefix, runtimes[i].prefix)) {
			*ret = runtimes[i].name;
			return true;
		}
	}
	return false;
}

/*
 * "<id>", "<runtime>-<id>", either with ".scope" behind, or "<slice>:<runtime>:<id>", which
 * a runtime makes that was told the name of a slice and does not speak to systemd.
 */
static bool parse_id(struct part p, struct part parent, struct container *ret)
{
	struct part prefix = p;
	const char *runtime = "";
	const char *colon;

	if (ends_with(p, ".scope"))
		p.len -= strlen(".scope");
	if (p.len < ID_LEN || !is_hex(p.at + p.len - ID_LEN, ID_LEN))
		return false;
	prefix.len = p.len - ID_LEN;
	if (!prefix.len) {
		(void)runtime_of(parent, &runtime);
	} else {
		prefix.len--;
		if (prefix.at[prefix.len] != '-' && prefix.at[prefix.len] != ':')
			return false;
		colon = memrchr(prefix.at, ':', prefix.len);
		if (colon)
			prefix = (struct part){ colon + 1,
						(size_t)(prefix.at + prefix.len - colon) - 1 };
		if (!runtime_of(prefix, &runtime))
			return false;
	}
	memcpy(ret->id, p.at + p.len - ID_LEN, ID_LEN);
	strcpy(ret->runtime, runtime);
	return true;
}

/* Dashes are the hierarchy of slices, so a uid has underscores in them. */
static bool is_uuid(const char *s)
{
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' && s[i] != '_' : !is_hex(s + i, 1))
			return false;
	}
	return true;
}

/* "pod<uid>", "<parents>-pod<uid>.slice", and what stands before ":<runtime>:<id>". */
static void parse_pod(struct part p, struct container *ret)
{
	const char *colon = memchr(p.at, ':', p.len);
	size_t uid_len = 0;
	const char *uid;

	if (colon)
		p.len = (size_t)(colon - p.at);
	if (ends_with(p, ".slice"))
		p.len -= strlen(".slice");
	if (p.len >= UUID_LEN && is_uuid(p.at + p.len - UUID_LEN))
		uid_len = UUID_LEN;
	else if (p.len >= HASH_LEN && is_hex(p.at + p.len - HASH_LEN, HASH_LEN))
		uid_len = HASH_LEN;
	uid = p.at + p.len - uid_len;
	p.len -= uid_len;
	if (!uid_len || !(equals(p, "pod") || ends_with(p, "-pod")))
		return;
	for (size_t i = 0; i < uid_len; i++)
		ret->pod_uid[i] = (char)(uid[i] == '_' ? '-' : uid[i]);
}

static bool is_unit(struct part p)
{
	return ends_with(p, ".service") || ends_with(p, ".scope");
}

static void copy_unit(struct part p, struct container *ret)
{
	/* Put before a name that could be taken for one of the kernel's files. */
	if (*p.at == '_') {
		p.at++;
		p.len--;
	}
	if (p.len < sizeof(ret->unit))
		memcpy(ret->unit, p.at, p.len);
}

/* The part that ends where `rest` does. */
static struct part last_part(struct part rest)
{
	const char *slash = memrchr(rest.at, '/', rest.len);

	return slash ? (struct part){ slash + 1, (size_t)(rest.at + rest.len - slash) - 1 } : rest;
}

void container_parse(const char *cgroup, struct container *ret)
{
	struct part rest = { cgroup, strlen(cgroup) };
	bool has_unit = false;

	*ret = (struct container){};
	while (rest.len) {
		struct part p = last_part(rest);
		struct container outer = {};

		rest.len -= p.len;
		rest.len -= rest.len > 0;
		/* The scope of a container is no unit of interest, at any depth. */
		if (!parse_id(p, last_part(rest), *ret->id ? &outer : ret) && is_unit(p) &&
		    !has_unit) {
			copy_unit(p, ret);
			has_unit = true;
		}
		if (!*ret->pod_uid)
			parse_pod(p, ret);
	}
}
