// SPDX-License-Identifier: GPL-2.0-or-later
/* plimsolld: options, order of start and stop, the event loop; no logic. */
#include <cap-ng.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>

#include "control.h"
#include "drive.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

#define STATE_DIR "/var/lib/plimsoll"

struct options {
	struct engine_options engine;
	const char *run_dir;
	bool version, help;
};

struct daemon {
	struct engine engine;
	struct control *control;
	sd_event *loop;
	int lock;
};

/* What is used after start-up; loading needs no more.  The state directory is our own. */
static const unsigned int needed[] = {
	CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_KILL,
	CAP_DAC_READ_SEARCH,
};

static void print_help(void)
{
	(void)printf("usage: plimsolld [OPTION...]\n"
		     "Watches the database connections of this host, finds leaked ones, and mends\n"
		     "them where a rule says so.\n\n"
		     "  --config FILE        read FILE (default: " CONFIG_PATH ", if it exists)\n"
		     "  --state DIR          the journal and the STOP file (default: " STATE_DIR ")\n"
		     "  --run DIR            the control socket (default: " CONTROL_RUN_DIR ")\n"
		     "  --mode observe|fix   whatever the configuration says\n"
		     "  --foreground         accepted; it always stays in the foreground\n"
		     "  --version, --help\n");
}

static int read_mode(const char *text, int *out)
{
	for (int m = MODE_OBSERVE; m <= MODE_FIX; m++) {
		if (strcmp(text, mode_name(m)) == 0) {
			*out = m;
			return 0;
		}
	}
	return log_err(-EINVAL, "--mode is observe or fix, not '%s'", text);
}

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "state", required_argument, NULL, 's' },
		{ "run", required_argument, NULL, 'r' },    { "mode", required_argument, NULL, 'm' },
		{ "foreground", no_argument, NULL, 'f' },   { "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },	    {},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			o->engine.config_path = optarg;
			break;
		case 's':
			o->engine.state_dir = optarg;
			break;
		case 'r':
			o->run_dir = optarg;
			break;
		case 'm':
			if (read_mode(optarg, &o->engine.mode) < 0)
				return -EINVAL;
			break;
		case 'f':
			break;
		case 'v':
			o->version = true;
			break;
		case 'h':
			o->help = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return optind == argc ? 0 : log_err(-EINVAL, "what is '%s'? (see --help)", argv[optind]);
}

/* --- rights --------------------------------------------------------------- */

static int check_rights(void)
{
	char missing[256] = "";

	if (capng_get_caps_process() < 0)
		return log_err(-EPERM, "cannot read our own capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		size_t used = strlen(missing);

		if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i]))
			(void)snprintf(missing + used, sizeof(missing) - used, " %s",
				       capng_capability_to_name(needed[i]));
	}
	if (!*missing)
		return 0;
	return log_err(-EPERM, "must run as root: uid %u lacks the capabilities%s",
		       (unsigned int)geteuid(), missing);
}

static int drop_rights(void)
{
	/* Without this one the bounding set cannot be made smaller. */
	capng_select_t which = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) ?
				       CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS;

	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, needed[i]);
	/* Not ours to use: the reader of foreign files needs them to become nobody. */
	(void)capng_updatev(CAPNG_ADD, CAPNG_BOUNDING_SET, CAP_SETUID, CAP_SETGID, -1);
	if (capng_apply(which) != 0)
		return log_err(-EPERM, "cannot give up the capabilities that are not needed");
	/* Nobody looks into the memory of one who may look into everybody's. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	return 0;
}

/* --- running -------------------------------------------------------------- */

static int on_end(sd_event_source *s, const struct signalfd_siginfo *info, void *arg)
{
	(void)info;
	(void)arg;
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static int on_reload(sd_event_source *s, const struct signalfd_siginfo *info, void *arg)
{
	struct daemon *d = arg;
	char why[512] = "";

	(void)s;
	(void)info;
	if (engine_reload(&d->engine, why, sizeof(why)) < 0)
		(void)log_err(0, "%s; the old configuration stays", why);
	else
		log_info("the configuration was read again");
	return 0;
}

static int add_signals(struct daemon *d)
{
	static const int ends[] = { SIGTERM, SIGINT };
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		r = sd_event_add_signal(d->loop, NULL, ends[i], on_end, NULL);
		if (r < 0)
			return r;
	}
	r = sd_event_add_signal(d->loop, NULL, SIGHUP, on_reload, d);
	return r < 0 ? r : 0;
}

static void say_ready(struct engine *e)
{
	unsigned int n = 0;

	(void)engine_drain(e);
	engine_tick(e, clock_now_ns());
	conns_for_each(&e->conns, c)
		n += conn_is_listed(c);
	log_info("ready: %u connections taken in, mode %s", n, mode_name(e->config.policy.mode));
	(void)sd_notify(0, "READY=1");
}

static int serve(struct daemon *d, const struct options *o)
{
	int r = sd_event_new(&d->loop);

	if (r >= 0)
		r = add_signals(d);
	if (r >= 0)
		r = drive_engine(d->loop, &d->engine);
	if (r >= 0)
		r = sd_event_set_watchdog(d->loop, true);
	if (r < 0)
		return log_err(r, "cannot set up the event loop");
	r = control_open(&d->control, d->loop, o->run_dir, &d->engine);
	if (r < 0)
		return r;
	d->engine.notice = control_notice;
	d->engine.notice_arg = d->control;
	r = drop_rights();
	if (r < 0)
		return r;
	say_ready(&d->engine);
	r = sd_event_loop(d->loop);
	(void)sd_notify(0, "STOPPING=1");
	return r < 0 ? log_err(r, "the event loop failed") : 0;
}

static void end(struct daemon *d)
{
	d->engine.notice = NULL;
	engine_close(&d->engine);
	control_close(d->control);
	(void)sd_event_unref(d->loop);
	if (d->lock >= 0)
		(void)close(d->lock);
}

static int run(struct daemon *d, const struct options *o)
{
	int r = check_rights();

	if (r >= 0)
		r = control_lock(o->run_dir, &d->lock);
	if (r < 0)
		return r;
	r = engine_open(&d->engine, &o->engine);
	if (r < 0)
		return r;
	d->engine.has_daemon = true;
	r = serve(d, o);
	end(d);
	return r;
}

int main(int argc, char **argv)
{
	static struct daemon d = { .lock = -1 };
	struct options o = {
		.engine = { .state_dir = STATE_DIR, .mode = -1 },
		.run_dir = CONTROL_RUN_DIR,
	};

	log_setup("plimsolld", LOG_LEVEL_INFO);
	if (read_options(argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (o.help)
		print_help();
	else if (o.version)
		(void)printf("plimsolld " PLIMSOLL_VERSION "\n");
	else
		return (int)ask_exit_code(run(&d, &o));
	return EXIT_OK;
}
