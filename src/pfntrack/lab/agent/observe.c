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

#define FAST_STATE_SIZE (1 << 16)

static int kmsg_fd = -1;
static int pipe_fd = -1;

void observe_start(void)
{
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg_fd >= 0)
		lseek(kmsg_fd, 0, SEEK_END);
	pipe_fd = open("/sys/kernel/tracing/trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
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

/* New calls; reading the pipe also removes them, without the wait of a reset. */
static void show_trace(void)
{
	static char all[1 << 18];
	size_t have = 0;
	ssize_t n;

	while (pipe_fd >= 0 && have < sizeof(all) &&
	       (n = read(pipe_fd, all + have, sizeof(all) - have)) > 0)
		have += n;
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

/* The module's report, or NULL. */
static char *state_of(pid_t pid, size_t size, size_t *len)
{
	static char buf[STATE_SIZE];
	struct pfnlab_request q = {
		.what = PFNLAB_STATE,
		.arg = { pid, ARENA_BASE, ARENA_END, (uintptr_t)buf, size },
	};

	if (lab_fd < 0 || ioctl(lab_fd, PFNLAB_IOCTL, &q))
		return NULL;
	*len = q.out;
	return buf;
}

static void show_state(pid_t pid)
{
	size_t len;
	char *buf = state_of(pid, STATE_SIZE, &len);

	out_raw("\"state\":");
	if (buf)
		out_escaped(buf, len);
	else
		out_raw("null");
}

void observe_all(void)
{
	int first = 1;

	out_char('{');
	show_file("memtype", "/sys/kernel/debug/x86/pat_memtype_list");
	out_char(',');
	show_kmsg();
	out_char(',');
	out_raw("\"trace\":");
	show_trace();
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

/* ---------------------------------------------- what changed since last time */

struct memory {
	char *text;
	size_t len;
};

static struct memory list_seen;
static struct memory state_seen[MAX_PROCS];

static void forget(struct memory *m)
{
	free(m->text);
	m->text = NULL;
	m->len = 0;
}

/*
 * A text as what it has in common with the one shown last: how much of the
 * front, the new middle, how much of the end.  The line is slow.
 */
static void show_change(struct memory *m, const char *text, size_t len)
{
	size_t most = m->len < len ? m->len : len;
	size_t front = 0, end = 0;

	while (front < most && m->text[front] == text[front])
		front++;
	while (end < most - front && m->text[m->len - end - 1] == text[len - end - 1])
		end++;
	out_char('[');
	out_int(front);
	out_char(',');
	out_escaped(text + front, len - front - end);
	out_char(',');
	out_int(end);
	out_char(']');
	forget(m);
	m->text = malloc(len + 1);
	if (m->text) {
		memcpy(m->text, text, len);
		m->len = len;
	}
}

/* Calls of the program's processes, as "labA-93 function: arguments" lines. */
static void show_calls(void)
{
	static char all[1 << 18];
	static char kept[1 << 18];
	size_t have = 0, out = 0;
	ssize_t n;

	while (pipe_fd >= 0 && have < sizeof(all) - 1 &&
	       (n = read(pipe_fd, all + have, sizeof(all) - 1 - have)) > 0)
		have += n;
	all[have] = 0;
	for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
		char *task = line + strspn(line, " ");
		char *function = strstr(line, ": ");
		char *arguments = strchr(line, ')');
		int task_len = strcspn(task, " "), name_len;

		if (strncmp(task, "lab", 3) || !function || !arguments)
			continue;
		function += 2;
		name_len = strcspn(function, ":");
		out += snprintf(kept + out, sizeof(kept) - out, "%.*s %.*s:%s\n", task_len, task,
				name_len, function, arguments + 1);
		if (out >= sizeof(kept))
			out = sizeof(kept) - 1;
	}
	out_escaped(kept, out);
}

/* Forget what was shown: the next look() tells everything. */
void look_start(void)
{
	forget(&list_seen);
	for (int i = 0; i < MAX_PROCS; i++)
		forget(&state_seen[i]);
}

/* Like observe_all(), but only what has changed, and without smaps. */
void look(void)
{
	static int list_fd = -1;
	static char list[1 << 16];
	size_t len = 0;
	ssize_t n;
	int first = 1;

	if (list_fd < 0)
		list_fd = open("/sys/kernel/debug/x86/pat_memtype_list", O_RDONLY | O_CLOEXEC);
	if (list_fd >= 0) {
		lseek(list_fd, 0, SEEK_SET);
		while (len < sizeof(list) && (n = read(list_fd, list + len, sizeof(list) - len)) > 0)
			len += n;
	}
	out_raw("{\"memtype\":");
	show_change(&list_seen, list, len);
	out_char(',');
	show_kmsg();
	out_raw(",\"trace\":");
	show_calls();
	out_raw(",\"procs\":{");
	for (int i = 0; i < MAX_PROCS; i++) {
		struct proc *p = &procs[i];
		char *state = NULL;

		if (!p->pid) {
			forget(&state_seen[i]);
			continue;
		}
		if (!first)
			out_char(',');
		first = 0;
		out_char('"');
		out_raw(p->name);
		out_raw("\":");
		if (!p->stuck)
			state = state_of(p->pid, FAST_STATE_SIZE, &len);
		if (!state)
			out_raw("null");
		else
			show_change(&state_seen[i], state, len);
	}
	out_raw("}}\n");
}
