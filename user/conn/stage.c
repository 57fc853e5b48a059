// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The five stages of a connection's life.
 *
 *	establishing	from connect() until the server let it in
 *	ready		from then on, as long as nothing is wrong with it
 *	degraded	one of
 *			- the server closed it, the client has not (CLOSE_WAIT)
 *			- the same bytes were sent RETRIES times and more without being
 *			  acknowledged; one lost packet is nothing
 *			- its round trip is SLOWER times the mean of its life, and longer
 *			  than a delayed acknowledgement explains; until it is less
 *			  than BETTER times that mean, or is explained
 *	recovering	it was degraded, what was wrong is not any more, and bytes passed
 *			since; for RECOVERY_NS
 *	ready		again, when nothing came up in that time
 *	terminated	either side has said goodbye, or the socket is gone
 *
 * A degraded connection on which nothing passes stays degraded: nobody knows better.
 * What we lost sight of (`uncertain`), and a client that is slow or silent, are no
 * trouble of the connection's and change no stage.
 */
#include "conn.h"
#include "lib/clock.h"

#define RETRIES		     2
#define SLOWER		     4
#define BETTER		     2
#define SAMPLES		     16		/* of fewer a mean says nothing */
#define DELAYED_ACK_US	     250000	/* a receiver may wait 200 ms before it acknowledges */
#define RECOVERY_NS	     (10 * NS_PER_S)

static bool is_slow(const struct conn *c)
{
	uint64_t mean_us = c->rtt_n >= SAMPLES ? c->rtt_sum_us / c->rtt_n : 0;
	uint64_t times = c->stage == STAGE_DEGRADED ? BETTER : SLOWER;

	return mean_us && c->rtt_us > mean_us + DELAYED_ACK_US && c->rtt_us >= times * mean_us;
}

static bool has_trouble(const struct conn *c)
{
	if (c->tcp_state == TCP_STATE_CLOSE_WAIT)
		return true;
	return (c->view.unacked && c->view.retransmits >= RETRIES) || is_slow(c);
}

static enum stage next_stage(const struct conn *c, uint64_t now_ns)
{
	if (has_trouble(c))
		return STAGE_DEGRADED;
	if (c->stage == STAGE_DEGRADED)
		return c->last_ns != c->trouble_last_ns ? STAGE_RECOVERING : STAGE_DEGRADED;
	if (c->stage == STAGE_RECOVERING && elapsed_ns(c->trouble_ns, now_ns) < RECOVERY_NS)
		return STAGE_RECOVERING;
	return STAGE_READY;
}

void conns_judge_stages(struct conns *t, uint64_t now_ns)
{
	conns_for_each(t, c) {
		if (c->stage == STAGE_ESTABLISHING || c->stage == STAGE_TERMINATED)
			continue;
		c->stage = next_stage(c, now_ns);
		if (c->stage != STAGE_DEGRADED)
			continue;
		c->trouble_ns = now_ns;
		c->trouble_last_ns = c->last_ns;
	}
}
