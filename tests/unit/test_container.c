// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/container.h"

#define ID    "0f7a2ccd1d9bc7c3f9a1e5d0b6c4d8f2a3b4c5d6e7f8091a2b3c4d5e6f708192"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define UID   "8b7c4d2e-1f3a-4b5c-9d6e-7f8091a2b3c4"
#define UID_  "8b7c4d2e_1f3a_4b5c_9d6e_7f8091a2b3c4"
#define HASH  "6a1f3c5e7092b4d6f8a0c2e4061830a5"

static const struct sample {
	const char *cgroup, *id, *runtime, *pod_uid, *unit;
} samples[] = {
	/* Hosts: services, sessions, users' own services, and groups they made below. */
	{ "", "", "", "", "" },
	{ "/", "", "", "", "" },
	{ "/init.scope", "", "", "", "init.scope" },
	{ "/system.slice/sshd.service", "", "", "", "sshd.service" },
	{ "/system.slice/system-postgresql.slice/postgresql@15-main.service", "", "", "",
	  "postgresql@15-main.service" },
	{ "/system.slice/app.service/workers/7", "", "", "", "app.service" },
	{ "/user.slice/user-1000.slice/session-3.scope", "", "", "", "session-3.scope" },
	{ "/user.slice/user-1000.slice/user@1000.service/init.scope", "", "", "", "init.scope" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/app-billing.service", "", "", "",
	  "app-billing.service" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/"
	  "app-org.gnome.Terminal.slice/vte-spawn-" UID ".scope",
	  "", "", "", "vte-spawn-" UID ".scope" },
	{ "/machine.slice/machine-web.scope", "", "", "", "machine-web.scope" },
	{ "/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service", "", "",
	  "", "nginx.service" },
	{ "/system.slice/_cpu.service", "", "", "", "cpu.service" },
	{ "/system.slice", "", "", "", "" },
	{ "/app", "", "", "", "" },
	{ "/.service", "", "", "", "" },
	/* Docker. */
	{ "/system.slice/docker-" ID ".scope", ID, "docker", "", "" },
	{ "/docker/" ID, ID, "docker", "", "" },
	{ "/docker/" ID "/worker", ID, "docker", "", "" },
	{ "/docker/" ID "/system.slice/nginx.service", ID, "docker", "", "nginx.service" },
	{ "/docker/" OTHER "/docker/" ID, ID, "docker", "", "" },
	{ "/system.slice/docker-" OTHER ".scope/docker/" ID "/init", ID, "docker", "", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope", ID,
	  "docker", "", "user@1000.service" },
	{ "/system.slice/docker.service", "", "", "", "docker.service" },
	{ "/system.slice/system.slice:docker:" ID, ID, "docker", "", "" },
	{ "/../docker/" ID, ID, "docker", "", "" },
	/* Podman. */
	{ "/machine.slice/libpod-" ID ".scope", ID, "podman", "", "" },
	{ "/machine.slice/libpod-" ID ".scope/container", ID, "podman", "", "" },
	{ "/machine.slice/libpod-conmon-" ID ".scope", "", "", "", "libpod-conmon-" ID ".scope" },
	{ "/machine.slice/machine-libpod_pod_" OTHER ".slice/libpod-" ID ".scope", ID, "podman", "",
	  "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container",
	  ID, "podman", "", "user@1000.service" },
	{ "/system.slice/web.service/libpod-payload-" ID, ID, "podman", "", "web.service" },
	{ "/libpod_parent/libpod-" ID, ID, "podman", "", "" },
	/* Kubernetes with the systemd driver. */
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	  ".slice/cri-containerd-" ID ".scope",
	  ID, "containerd", UID, "" },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID
	  ".scope",
	  ID, "cri-o", UID, "" },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/docker-" ID ".scope", ID, "docker", UID, "" },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" HASH
	  ".slice/cri-containerd-" ID ".scope",
	  ID, "containerd", HASH, "" },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	  ".slice/crio-conmon-" ID ".scope",
	  "", "", UID, "crio-conmon-" ID ".scope" },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/crio-" ID
	  ".scope/container",
	  ID, "cri-o", UID, "" },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice", "", "", UID, "" },
	/* kind: a cluster in a container. */
	{ "/docker/" OTHER "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	  "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
	  ID, "containerd", UID, "" },
	{ "/system.slice/docker-" OTHER ".scope/kubelet.slice/kubelet-kubepods.slice/"
	  "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" UID_
	  ".slice/cri-containerd-" ID ".scope",
	  ID, "containerd", UID, "" },
	{ "/docker/" OTHER "/system.slice/kubelet.service", OTHER, "docker", "",
	  "kubelet.service" },
	/* Kubernetes with the cgroupfs driver, and with the two mixed up. */
	{ "/kubepods/burstable/pod" UID "/" ID, ID, "", UID, "" },
	{ "/kubepods/besteffort/pod" HASH "/" ID, ID, "", HASH, "" },
	{ "/kubepods/pod" UID "/crio-" ID, ID, "cri-o", UID, "" },
	{ "/k8s.io/" ID, ID, "", "", "" },
	{ "/system.slice/containerd.service/kubepods-burstable-pod" UID_
	  ".slice:cri-containerd:" ID,
	  ID, "containerd", UID, "containerd.service" },
	{ "/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" ID, ID, "containerd", UID, "" },
	{ "/system.slice/nerdctl-" ID ".scope", ID, "containerd", "", "" },
	/* Amazon ECS on EC2. */
	{ "/ecs/9af3e0a1d2c64b0d8f5c2f6f0d5b7c11/" ID, ID, "", "", "" },
	/* What looks like one. */
	{ "/docker/0f7a2ccd1d9b", "", "", "", "" },
	{ "/docker/" ID "0", "", "", "", "" },
	{ "/docker/0F7A2CCD1D9BC7C3F9A1E5D0B6C4D8F2A3B4C5D6E7F8091A2B3C4D5E6F708192", "", "", "",
	  "" },
	{ "/system.slice/backup-" ID ".scope", "", "", "", "backup-" ID ".scope" },
	{ "/system.slice/docker_" ID ".scope", "", "", "", "docker_" ID ".scope" },
	{ "/mypod" UID "/x", "", "", "", "" },
	{ "/kubepods/pod8b7c4d2e-1f3a-4b5c-9d6e", "", "", "", "" },
	{ "/kubepods/pod8b7c4d2e-1f3a-4b5c-9d6e-7f8091a2b3cg", "", "", "", "" },
	{ "/kubepods/pod8b7c4d2e.1f3a.4b5c.9d6e.7f8091a2b3c4", "", "", "", "" },
};

static void reads_real_paths(void **state)
{
	struct container c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];

		memset(&c, 'x', sizeof(c));
		container_parse(s->cgroup, &c);
		if (strcmp(c.id, s->id) || strcmp(c.runtime, s->runtime) ||
		    strcmp(c.pod_uid, s->pod_uid) || strcmp(c.unit, s->unit))
			fail_msg("%s:\n  id '%s' runtime '%s' pod '%s' unit '%s'", s->cgroup, c.id,
				 c.runtime, c.pod_uid, c.unit);
	}
}

/* Half of a name may be the name of another, and so may the unit around it. */
static void leaves_out_what_does_not_fit(void **state)
{
	char path[256], name[160];
	struct container c;

	(void)state;
	memset(name, 'a', sizeof(name));
	(void)strcpy(name + 119, ".service");
	(void)snprintf(path, sizeof(path), "/outer.service/%s", name);
	container_parse(path, &c);
	assert_string_equal(c.unit, name);
	memset(name, 'a', sizeof(name));
	(void)strcpy(name + 120, ".service");
	(void)snprintf(path, sizeof(path), "/outer.service/%s", name);
	container_parse(path, &c);
	assert_string_equal(c.unit, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_real_paths),
		cmocka_unit_test(leaves_out_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
