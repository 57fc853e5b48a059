// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The load line and the gear: up at once, down slowly.
 *
 * The watermark is always the formula of the inputs in force, to the last bit, so
 * that anybody can recompute it from what is printed; whatever keeps it steady keeps
 * its inputs steady:
 *
 * - What moves nothing (both values lie beyond the same end of the formula's clamp)
 *   is taken as measured, and so is the first value.
 * - A rise by more than the input's band is taken at once, a smaller one not at all.
 * - A fall is taken when the measured value has lain below the band for the whole of
 *   the input's hold, and then by one step.  Of a pool's inputs one takes a step in
 *   PACE_NS, so the line never falls by more than a tenth (and three, for the formula's
 *   two whole numbers) at a time.
 * - What is not measured any more stays as it was.
 *
 * An input that swings within its band, or swings up again within its hold, thus
 * stays where its peaks are, and the line with it.
 */
#include "level/line.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define PACE_NS	     (5 * NS_PER_S)
#define GEAR_DOWN_NS (60 * NS_PER_S)
#define GEAR_KEEPS   90		/* % of the level it shifted up at */

struct manner {
	double low, high;	/* the formula's clamp */
	double band, band_share;	/* what is no change: so much, and so much of the value */
	double step, step_share;	/* likewise, what it falls by */
	uint64_t hold_ns;
};

/* Shares: a variance is known by its ratio, not by its difference. */
static const struct manner variance = { 0.5, 50, 0.5, 0.3, 2.5, 0.1, 30 * NS_PER_S };
static const struct manner jitter = { 0.01, 0.3, 0.05, 0, 0.03, 0, 30 * NS_PER_S };
static const struct manner decay = { 0.5, 1, 0.02, 0, 0.05, 0, 10 * NS_PER_S };

static double clamp(double x, double low, double high)
{
	if (!(x > low))
		return low;
	return x < high ? x : high;
}

uint32_t level_watermark(double rtt_var_ms2, double jitter_rate, double decay_factor)
{
	double var = clamp(rtt_var_ms2, 0.5, 50), rate = clamp(jitter_rate, 0.01, 0.3);
	double fresh = clamp(decay_factor, 0, 1);
	int base = (int)(64 * (1 + var / 25));
	int adaptive;

	if (base < 32)
		base = 32;
	adaptive = (int)(base * (1 + 2 * rate) * fresh);
	if (adaptive < 16)
		adaptive = 16;
	return adaptive < 1024 ? (uint32_t)adaptive : 1024;
}

/* Moves `in` to what was measured as far as it may; true when it took a step down. */
static bool take(struct input *in, const struct manner *m, double now, bool may_step,
		 uint64_t now_ns)
{
	double held = clamp(in->in_force, m->low, m->high);
	double band = m->band + m->band_share * held;

	in->now = now;
	if (!in->known || clamp(now, m->low, m->high) == held || now > held + band) {
		in->in_force = now;
		in->lower_ns = 0;
		in->known = true;
		return false;
	}
	if (now >= held - band) {
		in->lower_ns = 0;
		return false;
	}
	if (!in->lower_ns)
		in->lower_ns = now_ns;
	if (!may_step || elapsed_ns(in->lower_ns, now_ns) < m->hold_ns)
		return false;
	held -= m->step + m->step_share * held;
	in->in_force = now > held ? now : held;
	return true;
}

void line_draw(struct pool *p, const struct soundings *s, uint64_t now_ns)
{
	bool may_step = !p->fell_ns || elapsed_ns(p->fell_ns, now_ns) >= PACE_NS;
	bool calmer = s->has_spread || s->rtt_var_ms2 >= p->rtt_var_ms2.in_force;
	bool fell = false;

	if (s->has_rtt && (calmer || !p->rtt_var_ms2.known))
		fell = take(&p->rtt_var_ms2, &variance, s->rtt_var_ms2, may_step, now_ns);
	if (s->has_rtt)
		fell |= take(&p->jitter_rate, &jitter, s->jitter_rate, may_step && !fell, now_ns);
	fell |= take(&p->decay_factor, &decay, s->decay_factor, may_step && !fell, now_ns);
	if (fell)
		p->fell_ns = now_ns;
	p->watermark = level_watermark(p->rtt_var_ms2.in_force, p->jitter_rate.in_force,
				       p->decay_factor.in_force);
	p->line = p->cap && p->cap < p->watermark ? p->cap : p->watermark;
}

/*
 * Of each gear: from which level on, in % of the line, and what it leaves of a grace
 * period, in %.  Never less than three quarters: large pools are healthy in the highest gear
 * for years, and a transaction with a statement now and then is no leak there either.
 */
static const struct {
	uint32_t from, grace;
} gears[GEARS] = {
	{ 0, 100 }, { 60, 95 }, { 80, 90 }, { 100, 85 }, { 125, 80 }, { 150, 75 },
};

/*
 * What presses on the line: all that are open.  Of a pool that says itself how many it has
 * lent, those: having as many open as it may is what it was told to do.
 */
static uint32_t pressure(const struct pool *p)
{
	return p->word.known ? p->in_use : p->open;
}

static unsigned int gear_for(const struct pool *p, uint32_t keeps)
{
	unsigned int n = GEARS;

	while (n > 1 && (uint64_t)pressure(p) * 10000 < (uint64_t)p->line * gears[n - 1].from * keeps)
		n--;
	return n;
}

unsigned int gear_shift(struct pool *p, uint64_t now_ns)
{
	unsigned int from = p->gear, up = gear_for(p, 100);

	if (up > from)
		p->gear = (uint8_t)up;
	if (up > from || gear_for(p, GEAR_KEEPS) >= from) {
		p->gear_ns = now_ns;
	} else if (elapsed_ns(p->gear_ns, now_ns) >= GEAR_DOWN_NS) {
		p->gear--;
		p->gear_ns = now_ns;
	}
	return from;
}

uint64_t gear_grace_ns(unsigned int gear, uint64_t grace_ns)
{
	if (gear < 1 || gear > GEARS)
		return grace_ns;
	return grace_ns / 100 * gears[gear - 1].grace;
}
