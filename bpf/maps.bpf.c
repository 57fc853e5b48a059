// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the maps live; everything else only declares them (maps.bpf.h). */
#include "sent.bpf.h"
#include "snapshot.bpf.h"

struct slots_map slots SEC(".maps");
struct socks_map socks SEC(".maps");
struct hints_map hints SEC(".maps");
struct free_slots_map free_slots SEC(".maps");
struct ring_map ring SEC(".maps");
struct counters_map counters SEC(".maps");
struct buffers_map buffers SEC(".maps");
struct snapshots_map snapshots SEC(".maps");
struct snapshots_map connects SEC(".maps");
struct no_snapshot_map no_snapshot SEC(".maps");
struct shared shared SEC(".data.shared");
const volatile __u32 cfg_slots = SLOTS_DEFAULT;
const volatile __u64 cfg_tick_ns = 4000000;
const volatile __u32 cfg_evidence = TIER_OFF;
const volatile bool cfg_cast;
const volatile bool cfg_dynptr;
const volatile bool cfg_bytes;

char LICENSE[] SEC("license") = "GPL";
