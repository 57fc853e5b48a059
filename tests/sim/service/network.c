// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Round trips from a socket on the same host to another continent.  A lossy time
 * makes them longer and scattered; a cut lets nothing pass in either direction.
 */
#include "network.h"

static struct endpoint endpoints[ENDPOINTS];

struct endpoint *network_endpoint(size_t n)
{
	return &endpoints[n % ENDPOINTS];
}

void network_begin(void)
{
	static const uint32_t rtt_us[ENDPOINTS] = { 40, 250, 600, 1500, 18000, 90000 };

	for (size_t i = 0; i < ENDPOINTS; i++) {
		struct endpoint *e = &endpoints[i];
		uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 1, 0, (uint8_t)(10 + i) };

		*e = (struct endpoint){
			.wire = i % 3 == 2 ? WIRE_MYSQL : WIRE_POSTGRESQL,
			.rtt_us = (uint32_t)chance_skewed(rtt_us[i], 0.3) + 10,
		};
		e->jitter_us = e->rtt_us / (uint32_t)chance_between(3, 30);
		__builtin_memcpy(e->addr.ip, ip, sizeof(ip));
		e->addr.port = e->wire == WIRE_MYSQL ? 3306 : 5432;
	}
}

uint32_t network_rtt_us(const struct endpoint *e)
{
	uint32_t us = e->rtt_us + (uint32_t)chance_below(2 * e->jitter_us + 1);

	if (sim_now_ns < e->lossy_until_ns)
		us += (uint32_t)chance_below(200000);
	return us;
}

/* From one time that bytes are sent to the next: the kernel doubles it, up to two minutes. */
static uint64_t patience_ns(uint32_t times)
{
	uint64_t wait_ns = (200 * NS_PER_MS) << (times < 10 ? times : 10);

	return wait_ns < 120 * NS_PER_S ? wait_ns : 120 * NS_PER_S;
}

uint32_t network_retransmits(uint64_t ago_ns)
{
	uint64_t sum_ns = patience_ns(0);
	uint32_t n = 0;

	while (sum_ns <= ago_ns && n < 15)
		sum_ns += patience_ns(++n);
	return n;
}

uint64_t network_resent_ns(uint64_t sent_ns, uint64_t from_ns)
{
	for (uint32_t n = 0; sent_ns < from_ns; n++)
		sent_ns += patience_ns(n);
	return sent_ns;
}
