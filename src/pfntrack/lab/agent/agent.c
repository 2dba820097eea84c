/* SPDX-License-Identifier: MIT */
/* Process 1: the command loop and the life of the worker processes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"
#include "pfnlab.h"

struct proc procs[MAX_PROCS];
int lab_fd = -1;

static int line_fd;
static char out_buf[1 << 16];
static size_t out_len;

/* ------------------------------------------------------------------ output */

void out_flush(void)
{
	size_t done = 0;

	while (done < out_len) {
		ssize_t n = write(line_fd, out_buf + done, out_len - done);

		if (n <= 0 && errno != EINTR && errno != EAGAIN)
			break;
		if (n > 0)
			done += n;
	}
	out_len = 0;
}

void out_char(char c)
{
	if (out_len == sizeof(out_buf))
		out_flush();
	out_buf[out_len++] = c;
}

void out_raw(const char *s)
{
	while (*s)
		out_char(*s++);
}

void out_escaped(const char *s, size_t n)
{
	char tmp[8];

	out_char('"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = s[i];

		if (c == '"' || c == '\\') {
			out_char('\\');
			out_char(c);
		} else if (c == '\n') {
			out_raw("\\n");
		} else if (c < 32 || c > 126) {
			snprintf(tmp, sizeof(tmp), "\\u%04x", c);
			out_raw(tmp);
		} else {
			out_char(c);
		}
	}
	out_char('"');
}

void out_int(int64_t v)
{
	char tmp[24];

	snprintf(tmp, sizeof(tmp), "%lld", (long long)v);
	out_raw(tmp);
}

static int64_t last_ret;

static void say_reply(const struct reply *r)
{
	last_ret = r->ret;
	out_raw("{\"ret\":");
	out_int(r->ret);
	out_raw(",\"err\":");
	out_int(r->err);
	out_raw(",\"sig\":");
	out_int(r->sig);
	out_raw(",\"value\":");
	out_int((int64_t)r->value);
	out_raw("}\n");
}

static void say_result(int64_t ret)
{
	struct reply r = { .ret = ret < 0 ? -1 : ret, .err = ret < 0 ? -ret : 0 };

	say_reply(&r);
}

/* ------------------------------------------------------------------- input */

int words(char *line, char **out, int max)
{
	int n = 0;

	for (char *p = strtok(line, " \n"); p && n < max; p = strtok(NULL, " \n"))
		out[n++] = p;
	return n;
}

static int read_line(char *buf, size_t size)
{
	static char pending[4096];
	static size_t have;

	for (;;) {
		char *nl = memchr(pending, '\n', have);

		if (nl) {
			size_t n = nl - pending;

			if (n >= size)
				n = size - 1;
			memcpy(buf, pending, n);
			buf[n] = 0;
			have -= nl + 1 - pending;
			memmove(pending, nl + 1, have);
			return n;
		}
		if (have == sizeof(pending))
			have = 0;
		ssize_t got = read(line_fd, pending + have, sizeof(pending) - have);

		if (got > 0)
			have += got;
		else if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
	}
}

/* --------------------------------------------------------------- processes */

struct proc *proc_find(const char *name)
{
	for (int i = 0; i < MAX_PROCS; i++)
		if (!strcmp(procs[i].name, name))
			return &procs[i];
	for (int i = 0; i < MAX_PROCS; i++)
		if (!procs[i].name[0]) {
			snprintf(procs[i].name, sizeof(procs[i].name), "%s", name);
			return &procs[i];
		}
	return NULL;
}

/*
 * Wait for a worker's answer.  The guest's clock jumps when a snapshot is
 * restored, so patience is a number of short waits, not a span of time.
 */
static int await_reply(struct proc *p, struct reply *r)
{
	for (int i = 0; i < 400; i++) {
		struct pollfd pfd = { .fd = p->ours, .events = POLLIN };
		int status;

		if (poll(&pfd, 1, 10) > 0 && read(p->ours, r, sizeof(*r)) == sizeof(*r))
			return 0;
		if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
			p->pid = 0;
			memset(r, 0, sizeof(*r));
			r->ret = -1;
			r->sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
			return 0;
		}
	}
	p->stuck = 1;
	memset(r, 0, sizeof(*r));
	r->ret = -1;
	r->sig = -1;
	return -1;
}

static void send_line(struct proc *p, const char *line)
{
	if (write(p->ours, line, strlen(line) + 1) < 0)
		p->stuck = 1;
}

static unsigned int births;

static void start_first(const char *name)
{
	struct proc *p = proc_find(name);
	struct reply r;
	pid_t pid;

	if (!p || p->pid) {
		say_result(-EBUSY);
		return;
	}
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		worker_main(p);
	p->pid = pid;
	p->born = ++births;
	await_reply(p, &r);
	say_reply(&r);
}

/* The worker forks with CLONE_PARENT, so its child is a child of the agent. */
static void do_fork(struct proc *p, const char *child)
{
	struct proc *c = proc_find(child);
	char line[32];
	struct reply r, hello;

	if (!c || c->pid) {
		say_result(-EBUSY);
		return;
	}
	snprintf(line, sizeof(line), "fork %d %s", (int)(c - procs), c->name);
	send_line(p, line);
	await_reply(p, &r);
	if (r.ret > 0) {
		c->pid = r.ret;
		c->born = ++births;
		r.ret = 0;
		await_reply(c, &hello);
	}
	say_reply(&r);
}

static void do_end(struct proc *p, int with_signal)
{
	struct reply r = { .ret = 0 };

	if (with_signal)
		kill(p->pid, SIGKILL);
	else
		send_line(p, "exit");
	for (int i = 0; i < 4000; i++) {
		if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
			p->pid = 0;
			say_reply(&r);
			return;
		}
		if (i < 100)
			sched_yield();
		else
			usleep(1000);
	}
	p->stuck = 1;
	r.ret = -1;
	r.sig = -1;
	say_reply(&r);
}

static void do_proc(char *rest)
{
	char *name = strtok(rest, " ");
	char *line = strtok(NULL, "");
	struct proc *p = NULL;
	struct reply r;

	/* "?" is whoever has lived longest. */
	for (int i = 0; name && !strcmp(name, "?") && i < MAX_PROCS; i++)
		if (procs[i].pid && !procs[i].stuck && (!p || procs[i].born < p->born))
			p = &procs[i];
	if (name && strcmp(name, "?"))
		p = proc_find(name);
	if (!line || !p || !p->pid || p->stuck) {
		say_result(-ESRCH);
		return;
	}
	if (!strncmp(line, "fork ", 5)) {
		do_fork(p, line + 5);
	} else if (!strcmp(line, "exit")) {
		do_end(p, 0);
	} else if (!strcmp(line, "kill")) {
		do_end(p, 1);
	} else {
		send_line(p, line);
		await_reply(p, &r);
		say_reply(&r);
	}
}

/* ---------------------------------------------------------- two calls at once */

static int64_t ask_lab(int what, const char *name, uint64_t first, uint64_t second)
{
	struct pfnlab_request q = { .what = what, .arg = { first, second } };

	snprintf(q.name, sizeof(q.name), "%s", name);
	return ioctl(lab_fd, PFNLAB_IOCTL, &q) ? -errno : (int64_t)q.out;
}

static int replied(struct proc *p, int milliseconds)
{
	struct pollfd pfd = { .fd = p->ours, .events = POLLIN };

	return poll(&pfd, 1, milliseconds) > 0;
}

static void say_side(const char *name, struct proc *p, const char *child)
{
	struct reply r, hello;
	struct proc *c;

	await_reply(p, &r);
	if (child && r.ret > 0 && (c = proc_find(child))) {
		c->pid = r.ret;
		c->born = ++births;
		r.ret = 0;
		await_reply(c, &hello);
	}
	out_raw(name);
	say_reply(&r);
	out_len--; /* its newline */
}

/*
 * both FUNCTION NTH LEFT;LINE;RIGHT;LINE: the left process performs its line and
 * waits at its nth call of the function; the right one performs its own
 * meanwhile, for up to a second, then the left one goes on.
 */
static void do_both(char *rest)
{
	char *w[3], line[2048];
	char *head = strtok(rest, ";"), *left = strtok(NULL, ";");
	char *other = strtok(NULL, ";"), *right = strtok(NULL, "");
	char *child = NULL;
	struct proc *p, *q, *c;
	int64_t err;

	if (!right || words(head, w, 3) != 3) {
		say_result(-EINVAL);
		return;
	}
	p = proc_find(w[2]);
	q = proc_find(other);
	if (!p || !q || !p->pid || !q->pid) {
		say_result(-ESRCH);
		return;
	}
	err = ask_lab(PFNLAB_HOLD, w[0], p->pid, strtoull(w[1], NULL, 0));
	if (err < 0) {
		say_result(err);
		return;
	}
	snprintf(line, sizeof(line), "%s", left);
	if (!strncmp(left, "fork ", 5) && (c = proc_find(child = left + 5)))
		snprintf(line, sizeof(line), "fork %d %s", (int)(c - procs), child);
	send_line(p, line);
	for (int i = 0; i < 400 && !replied(p, 5) && ask_lab(PFNLAB_HELD, "", 0, 0) != 1; i++)
		;
	send_line(q, right);
	replied(q, 1000);
	out_raw("{\"held\":");
	out_int(ask_lab(PFNLAB_PASS, "", 0, 0));
	say_side(",\"left\":", p, child);
	say_side(",\"right\":", q, NULL);
	out_raw("}\n");
}

/* ------------------------------------------------------------ other orders */

static void do_write(char *rest, int flags)
{
	char *path = strtok(rest, " ");
	char *text = strtok(NULL, "");
	int fd = open(path, O_WRONLY | flags);
	int64_t ret = 0;

	if (!text)
		text = "";
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	say_result(ret);
}

/* Let every once-only warning speak again. */
static void clear_warn_once(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/sys/kernel/debug/clear_warn_once", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1", 1) < 0) {
		close(fd);
		fd = -1;
	}
}

static void do_module(char *rest)
{
	char *path = strtok(rest, " ");
	char *args = strtok(NULL, "");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int64_t ret = fd < 0 ? -errno : 0;

	if (fd >= 0 && syscall(SYS_finit_module, fd, args ? args : "", 0) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	say_result(ret);
}

static void do_cat(const char *path)
{
	size_t n = 0;
	char *s = slurp(path, &n);

	out_raw("{\"text\":");
	out_escaped(s ? s : "", n);
	out_raw(",\"err\":");
	out_int(s ? 0 : errno);
	out_raw("}\n");
	free(s);
}

static void do_link(const char *path)
{
	char to[512];
	ssize_t n = readlink(path, to, sizeof(to));

	out_raw("{\"text\":");
	out_escaped(to, n < 0 ? 0 : n);
	out_raw(",\"err\":");
	out_int(n < 0 ? errno : 0);
	out_raw("}\n");
}

static void batch(void);

static void command(char *line)
{
	char *verb = strtok(line, " ");
	char *rest = strtok(NULL, "");

	if (!verb)
		return;
	if (!rest)
		rest = "";
	if (!strcmp(verb, "hello"))
		say_result(1);
	else if (!strcmp(verb, "write"))
		do_write(rest, O_TRUNC);
	else if (!strcmp(verb, "append"))
		do_write(rest, O_APPEND);
	else if (!strcmp(verb, "module"))
		do_module(rest);
	else if (!strcmp(verb, "cat"))
		do_cat(rest);
	else if (!strcmp(verb, "link"))
		do_link(rest);
	else if (!strcmp(verb, "lab"))
		say_result((lab_fd = open("/dev/pfnlab", O_RDWR)) < 0 ? -errno : 0);
	else if (!strcmp(verb, "start"))
		start_first(rest);
	else if (!strcmp(verb, "do"))
		do_proc(rest);
	else if (!strcmp(verb, "both"))
		do_both(rest);
	else if (!strcmp(verb, "observe"))
		observe_all();
	else if (!strcmp(verb, "batch"))
		batch();
	else if (!strcmp(verb, "run"))
		run_program(rest);
	else
		say_result(-ENOSYS);
}

/*
 * Many steps at once: lines up to "end", each a command with a mark in front.
 * "-" lines belong to a longer step, of which the first failure is the answer;
 * after a "=" line follow that answer and what has changed, one line each.
 */
static void batch(void)
{
	static char all[1 << 16];
	static char line[4096];
	size_t have = 0;
	int failed = 0;

	while (read_line(line, sizeof(line)) >= 0 && strcmp(line, "end")) {
		size_t len = strlen(line) + 1;

		if (have + len < sizeof(all)) {
			memcpy(all + have, line, len);
			have += len;
		}
	}
	all[have] = 0;
	look_start();
	for (char *at = all; *at;) {
		char *next = at + strlen(at) + 1;
		int last = *at == '=';

		if (!failed) {
			size_t before = out_len;

			if (last)
				clear_warn_once();
			last_ret = 0;
			command(at + 1);
			failed = last_ret < 0;
			if (!last && !failed)
				out_len = before;
		}
		if (last) {
			look();
			failed = 0;
		}
		at = next;
	}
	out_raw("{\"batch\":1}\n");
}

static void raw_line(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t))
		return;
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	tcsetattr(fd, TCSANOW, &t);
}

/* Nobody listens yet: say on the console why, and end the machine. */
static void give_up(const char *what)
{
	dprintf(2, "pfntrack agent: gives up: %s: %s\n", what, strerror(errno));
	sleep(1);
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static void must_mount(const char *type, const char *path, const char *why)
{
	mkdir(path, 0755);
	if (mount(type, path, type, 0, NULL) && errno != EBUSY)
		give_up(why);
}

static void may_mount(const char *type, const char *path, const char *why)
{
	if (mount(type, path, type, 0, NULL) && errno != EBUSY)
		dprintf(2, "pfntrack agent: %s: %s\n", why, strerror(errno));
}

int main(void)
{
	static char line[4096];

	must_mount("proc", "/proc", "no proc (CONFIG_PROC_FS)");
	must_mount("sysfs", "/sys", "no sysfs (CONFIG_SYSFS)");
	must_mount("devtmpfs", "/dev", "no devtmpfs (CONFIG_DEVTMPFS)");
	may_mount("debugfs", "/sys/kernel/debug",
		  "no debugfs (CONFIG_DEBUG_FS), so no list of reservations");
	may_mount("tracefs", "/sys/kernel/tracing",
		  "no tracefs (CONFIG_KPROBE_EVENTS), so no calls");
	prctl(PR_SET_NAME, "agent");
	for (int i = 0; i < MAX_PROCS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
			give_up("no local sockets (CONFIG_NET, CONFIG_UNIX)");
		procs[i].ours = pair[0];
		procs[i].theirs = pair[1];
	}
	observe_start();
	line_fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
	if (line_fd < 0)
		give_up("no second serial line /dev/ttyS1 (CONFIG_SERIAL_8250, "
			"CONFIG_SERIAL_8250_RUNTIME_UARTS)");
	if (!isatty(line_fd))
		give_up("/dev/ttyS1 has no UART behind it (CONFIG_SERIAL_8250_PNP)");
	raw_line(line_fd);
	out_raw("{\"ready\":1}\n");
	out_flush();
	while (read_line(line, sizeof(line)) >= 0)
	{
		command(line);
		out_flush();
	}
	reboot(RB_POWER_OFF);
	return 0;
}
