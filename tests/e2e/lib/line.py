# SPDX-License-Identifier: GPL-2.0-or-later
"""The load line, as anybody computes it from what is printed."""


def watermark(pool):
    """The formula as it is published; what was never measured is at its lower bound."""
    rtt_var = min(max(pool["rtt_var_ms2"] or 0, 0.5), 50)
    jitter_rate = min(max(pool["jitter_rate"] or 0, 0.01), 0.3)
    base = max(32, int(64 * (1 + rtt_var / 25)))
    adaptive = int(base * (1 + 2 * jitter_rate) * pool["decay_factor"])
    return min(max(16, adaptive), 1024)
