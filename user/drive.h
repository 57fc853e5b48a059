/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts an engine on an event loop: drained when records wait, ticked ten times a second. */
#ifndef PLIMSOLL_DRIVE_H
#define PLIMSOLL_DRIVE_H

#include <systemd/sd-event.h>

#include "engine.h"

/* Both must outlive the loop's run.  0 or -errno. */
int drive_engine(sd_event *loop, struct engine *e);

#endif
