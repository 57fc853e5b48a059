/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RUN/control.sock: questions and orders of other processes, in Varlink's wire
 * format (JSON objects that end with a NUL byte).  Who may do what follows from
 * the peer's credentials.  A bad client is disconnected, never fatal.
 */
#ifndef PLIMSOLL_CONTROL_H
#define PLIMSOLL_CONTROL_H

#include <systemd/sd-event.h>

#include "ask.h"

#define CONTROL_RUN_DIR	  "/run/plimsoll"
#define CONTROL_SOCKET	  "control.sock"
#define CONTROL_INTERFACE "io.plimsoll"
#define CONTROL_CLIENTS	  64
#define CONTROL_REQUEST_MAX (64 << 10)	/* bytes, with the end */

struct control;

/*
 * Makes `run_dir` if need be and takes its lock, which lasts as long as the
 * descriptor.  0, -EBUSY when another daemon has it, or -errno; logged.
 */
int control_lock(const char *run_dir, int *ret_fd);

/* Listens in `run_dir`, whose lock the caller holds.  0 or -errno, logged. */
int control_open(struct control **ret, sd_event *loop, const char *run_dir, struct engine *e);

/* The same without a socket of its own; clients come by control_add() alone. */
int control_new(struct control **ret, sd_event *loop, struct engine *e);
void control_close(struct control *c);

/* Takes `fd` over as a client with these rights.  0 or -errno; `fd` is closed then. */
int control_add(struct control *c, int fd, const struct caller *who);

/* For engine.notice; `arg` is the control. */
void control_notice(enum notice what, const void *record, void *arg);

/* Clients there are, and those that were disconnected for being slow or bad. */
size_t control_clients(const struct control *c);
uint64_t control_dropped(const struct control *c);

#endif
