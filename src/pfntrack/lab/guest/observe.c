/* SPDX-License-Identifier: MIT */
/* Everything that can be seen after a step, as text that the host parses. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"
#include "pfnlab.h"

#define STATE_SIZE (1 << 19)

static const char trace_path[] = "/sys/kernel/tracing/trace";
static int kmsg_fd = -1;

void observe_start(void)
{
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg_fd >= 0)
		lseek(kmsg_fd, 0, SEEK_END);
}

/* A whole file, or NULL with errno set. */
char *slurp(const char *path, size_t *len)
{
	size_t size = 1 << 14, have = 0;
	char *buf = malloc(size);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || !buf) {
		free(buf);
		return NULL;
	}
	while ((n = read(fd, buf + have, size - have - 1)) > 0) {
		have += n;
		if (size - have < 4096)
			buf = realloc(buf, size *= 2);
	}
	close(fd);
	buf[have] = 0;
	*len = have;
	return buf;
}

static void show_file(const char *key, const char *path)
{
	size_t n = 0;
	char *s = slurp(path, &n);

	out_char('"');
	out_raw(key);
	out_raw("\":");
	if (s)
		out_escaped(s, n);
	else
		out_raw("null");
	free(s);
}

/* New kernel messages, the text of one record per line. */
static void show_kmsg(void)
{
	static char all[1 << 18];
	static char rec[8192];
	size_t have = 0;
	ssize_t n;

	while (kmsg_fd >= 0) {
		n = read(kmsg_fd, rec, sizeof(rec) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			break;
		rec[n] = 0;
		char *text = strchr(rec, ';');
		char *end = text ? strchr(text, '\n') : NULL;

		if (!end)
			continue;
		size_t len = end - text;	/* with the newline, without the semicolon */

		if (have + len > sizeof(all))
			break;
		memcpy(all + have, text + 1, len);
		have += len;
	}
	out_raw("\"kmsg\":");
	out_escaped(all, have);
}

/* Of smaps: the head and the flags of each mapping in the arena. */
static void show_smaps(pid_t pid)
{
	char path[64];
	size_t n = 0, have = 0;
	int inside = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	char *s = slurp(path, &n);
	char *keep = s ? malloc(n + 1) : NULL;

	for (char *line = s; line && keep && *line;) {
		char *end = strchrnul(line, '\n');
		char *dash = line + strspn(line, "0123456789abcdef");
		int head = dash > line && *dash == '-';

		if (head) {
			unsigned long long at = strtoull(line, NULL, 16);

			inside = at >= ARENA_BASE && at < ARENA_END;
		}
		if (inside && (head || !strncmp(line, "VmFlags:", 8))) {
			memcpy(keep + have, line, end - line);
			have += end - line;
			keep[have++] = '\n';
		}
		line = *end ? end + 1 : end;
	}
	out_raw("\"smaps\":");
	out_escaped(keep ? keep : "", have);
	free(keep);
	free(s);
}

static void show_state(pid_t pid)
{
	static char buf[STATE_SIZE];
	struct pfnlab_request q = {
		.what = PFNLAB_STATE,
		.arg = { pid, ARENA_BASE, ARENA_END, (uintptr_t)buf, sizeof(buf) },
	};

	out_raw("\"state\":");
	if (lab_fd < 0 || ioctl(lab_fd, PFNLAB_IOCTL, &q))
		out_raw("null");
	else
		out_escaped(buf, q.out);
}

void observe_all(void)
{
	int first = 1;

	out_char('{');
	show_file("memtype", "/sys/kernel/debug/x86/pat_memtype_list");
	out_char(',');
	show_kmsg();
	out_char(',');
	show_file("trace", trace_path);
	int fd = open(trace_path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	out_raw(",\"procs\":{");
	for (int i = 0; i < MAX_PROCS; i++) {
		struct proc *p = &procs[i];

		if (!p->pid)
			continue;
		if (!first)
			out_char(',');
		first = 0;
		out_char('"');
		out_raw(p->name);
		out_raw("\":{\"pid\":");
		out_int(p->pid);
		out_raw(",\"stuck\":");
		out_int(p->stuck);
		if (!p->stuck) {
			out_char(',');
			show_smaps(p->pid);
			out_char(',');
			show_state(p->pid);
		}
		out_char('}');
	}
	out_raw("}}\n");
}
