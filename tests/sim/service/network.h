/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to each server, and whether anybody is at home. */
#ifndef PLIMSOLL_SIM_NETWORK_H
#define PLIMSOLL_SIM_NETWORK_H

#include "chance.h"
#include "event.h"
#include "lib/addr.h"

struct endpoint {
	struct addr addr;
	uint8_t wire; /* enum wire */
	uint32_t rtt_us, jitter_us;
	uint64_t cut_ns;	   /* since when nothing passes; 0: it does */
	uint64_t heal_ns;	   /* when it does again */
	uint64_t refuses_until_ns; /* nobody listens until then */
	uint64_t lossy_until_ns;
	uint64_t overcome_ns; /* until when, at last, bytes came through that had been lost */
};

#define ENDPOINTS 6

struct endpoint *network_endpoint(size_t n);
void network_begin(void);

/* One smoothed round trip as the kernel would have it now. */
uint32_t network_rtt_us(const struct endpoint *e);

/* When bytes that were sent at `sent_ns` are sent again for the first time from `from_ns` on. */
uint64_t network_resent_ns(uint64_t sent_ns, uint64_t from_ns);

/* How many times bytes that were sent `ago_ns` ago and never acknowledged were sent again. */
uint32_t network_retransmits(uint64_t ago_ns);

#endif
