/* SPDX-License-Identifier: MIT */
/* A process of a scenario: one operation per line, one reply for each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "pfnlab.h"

#define MAX_FILES 64

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#define PCI_COMMAND_OFFSET 4
#define PCI_COMMAND_MEMORY_BIT 2

static struct proc *me;
static int files[MAX_FILES];
static sigjmp_buf touch_env;
static volatile sig_atomic_t touch_signal;

static void on_fault(int sig)
{
	touch_signal = sig;
	siglongjmp(touch_env, 1);
}

static uint64_t num(const char *s)
{
	return strtoull(s, NULL, 0);
}

static int file_of(const char *word)
{
	int i = atoi(word);

	if (i == -1)
		return lab_fd;
	return i >= 0 && i < MAX_FILES ? files[i] : -1;
}

static int keep(const char *word, int fd)
{
	int i = atoi(word);

	if (fd < 0)
		return -errno;
	if (i < 0 || i >= MAX_FILES) {
		close(fd);
		return -EMFILE;
	}
	files[i] = fd;
	return 0;
}

static void touch(char **w, struct reply *r)
{
	volatile uint32_t *p = (volatile uint32_t *)num(w[1]);

	touch_signal = 0;
	if (!sigsetjmp(touch_env, 1)) {
		if (w[0][0] == 'w')
			*p = num(w[2]);
		else
			r->value = *p;
		return;
	}
	r->ret = -1;
	r->sig = touch_signal;
}

/* ------------------------------------------------------------------- vfio */

/* vfio_open CONTAINER GROUP DEVICE GROUP-PATH BDF */
static int64_t vfio_open(char **w)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int container, group, device;

	container = open("/dev/vfio/vfio", O_RDWR);
	if (container < 0)
		return -errno;
	group = open(w[4], O_RDWR);
	if (group < 0)
		return -errno;
	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status))
		return -errno;
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -EPERM;
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container))
		return -errno;
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU))
		return -errno;
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, w[5]);
	if (device < 0)
		return -errno;
	keep(w[1], container);
	keep(w[2], group);
	return keep(w[3], device);
}

/* vfio_memory DEVICE ON: set or clear the memory bit of the command register */
static int64_t vfio_memory(char **w)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	int fd = file_of(w[1]);
	uint16_t command;

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	if (pread(fd, &command, 2, info.offset + PCI_COMMAND_OFFSET) != 2)
		return -errno;
	command &= ~PCI_COMMAND_MEMORY_BIT;
	if (num(w[2]))
		command |= PCI_COMMAND_MEMORY_BIT;
	if (pwrite(fd, &command, 2, info.offset + PCI_COMMAND_OFFSET) != 2)
		return -errno;
	return 0;
}

/* ------------------------------------------------------------- operations */

/* request FILE WHAT NAME ARG...: one request to the module */
static int64_t request(char **w, int n, struct reply *r)
{
	struct pfnlab_request q;

	memset(&q, 0, sizeof(q));
	q.what = num(w[2]);
	snprintf(q.name, sizeof(q.name), "%s", w[3]);
	for (int i = 4; i < n && i < 12; i++)
		q.arg[i - 4] = num(w[i]);
	if (ioctl(file_of(w[1]), PFNLAB_IOCTL, &q))
		return -errno;
	r->value = q.out;
	return 0;
}

/* What a debugger would do; reading one's own memory this way takes the same path. */
static int64_t debugger_reads(off_t at, struct reply *r)
{
	int fd = open("/proc/self/mem", O_RDONLY);
	uint32_t word = 0;
	int64_t ret = fd < 0 ? -errno : 0;

	if (fd >= 0 && pread(fd, &word, sizeof(word), at) != sizeof(word))
		ret = -EIO;
	if (fd >= 0)
		close(fd);
	r->value = word;
	return ret;
}

static int64_t map(char **w)
{
	int flags = num(w[4]);
	int fd = flags & MAP_ANONYMOUS ? -1 : file_of(w[5]);
	void *p = mmap((void *)num(w[1]), num(w[2]), num(w[3]), flags, fd, num(w[6]));

	return p == MAP_FAILED ? -errno : 0;
}

static int64_t as_errno(long ret)
{
	return ret < 0 ? -errno : ret;
}

static void take_channel(int index, const char *label);

static int64_t do_fork(char **w)
{
	pid_t pid = syscall(SYS_clone, SIGCHLD | CLONE_PARENT, 0, 0, 0, 0);

	if (pid == 0) {
		take_channel(num(w[1]), w[2]);
		return 0;
	}
	return as_errno(pid);
}

/* Calls that take numbers and return 0 or an error, as the host declares them. */
static const struct {
	const char *name;
	long number;
} plain_calls[] = {
	{ "munmap", SYS_munmap },
	{ "mprotect", SYS_mprotect },
	{ "madvise", SYS_madvise },
	{ "mlock", SYS_mlock },
	{ "munlock", SYS_munlock },
	{ "mseal", SYS_mseal },
};

static int64_t plain_call(char **w, int n)
{
	uint64_t a[5] = { 0 };

	for (int i = 1; i < n && i <= 5; i++)
		a[i - 1] = num(w[i]);
	for (size_t i = 0; i < sizeof(plain_calls) / sizeof(plain_calls[0]); i++)
		if (!strcmp(w[0], plain_calls[i].name))
			return as_errno(syscall(plain_calls[i].number, a[0], a[1], a[2], a[3], a[4]));
	return -ENOSYS;
}

static int64_t perform(char **w, int n, struct reply *r)
{
	const char *op = w[0];

	if (!strcmp(op, "open") && n == 4)
		return keep(w[1], open(w[2], num(w[3])));
	if (!strcmp(op, "close") && n == 2) {
		int fd = file_of(w[1]);

		files[atoi(w[1])] = -1;
		return as_errno(close(fd));
	}
	if (!strcmp(op, "mmap") && n == 7)
		return map(w);
	if (!strcmp(op, "mremap") && n == 6) {
		long to = syscall(SYS_mremap, num(w[1]), num(w[2]), num(w[3]), num(w[4]), num(w[5]));

		if (to == -1)
			return -errno;
		r->value = to;
		return 0;
	}
	if (!strcmp(op, "request") && n >= 4)
		return request(w, n, r);
	if (!strcmp(op, "vfio_open") && n == 6)
		return vfio_open(w);
	if (!strcmp(op, "vfio_memory") && n == 3)
		return vfio_memory(w);
	if (!strcmp(op, "access") && n == 2)
		return debugger_reads((off_t)num(w[1]), r);
	if (!strcmp(op, "fork") && n == 3)
		return do_fork(w);
	return plain_call(w, n);
}

static void take_channel(int index, const char *label)
{
	char name[16];

	me = &procs[index];
	snprintf(name, sizeof(name), "lab%s", label);
	prctl(PR_SET_NAME, name);
}

void worker_main(struct proc *self)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	static char line[2048];
	char *w[MAX_WORDS];
	struct reply r = { .ret = 0 };

	memset(files, -1, sizeof(files));
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	take_channel(self - procs, self->name);
	for (;;) {
		if (write(me->theirs, &r, sizeof(r)) < 0)
			_exit(1);
		ssize_t n = read(me->theirs, line, sizeof(line) - 1);

		if (n <= 0)
			_exit(1);
		line[n] = 0;
		if (!strcmp(line, "exit"))
			_exit(0);
		int count = words(line, w, MAX_WORDS);

		memset(&r, 0, sizeof(r));
		if (count >= 2 && (!strcmp(w[0], "read") || !strcmp(w[0], "write"))) {
			touch(w, &r);
			continue;
		}
		int64_t ret = count ? perform(w, count, &r) : -EINVAL;

		r.ret = ret < 0 ? -1 : ret;
		r.err = ret < 0 ? -ret : 0;
	}
}
