// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fork-after-split
 *
 * A split parent releases the entries of its child without a word; the child
 * pays when it exits.
 *
 * What 6.12 (vm-pat) does, by the model:
 *   - step 5: I3 (owner): H[0,1): released in the name of one owner, taken
 *     from another's reservation
 *   - step 6: I3 (owner): H[1,2): released in the name of one owner, taken
 *     from another's reservation
 *   - step 7: I3 (owner): H[1,2): released in the name of one owner, taken
 *     from another's reservation
 *
 * Fails on 5.10, 6.1, 6.12; passes on 7.3 (of those known from their source
 * only, fails on 3.7, 4.5, 5.5-rc, 6.2, 6.8, 6.10, 6.14, 6.12.25): computed by
 * the model, for each of these kernels, from these steps.
 *
 * Build:  gcc -O2 -Wall -Wextra -Werror -static \
 *             -o fork-after-split fork-after-split.c
 * Run:    as root, with debugfs mounted: ./fork-after-split
 *
 * H: BAR 2 of 0000:00:04.0 (prefetchable, at least 2 pages);
 *    another BAR: H=DEVICE:BAR as an argument.
 *
 * Ranges are page ranges without their end: [0,2) is pages 0 and 1. Virtual
 * pages are counted from ARENA, physical pages from the start of the window.
 *
 * Made by pfntrack 0.1.0: pfntrack repro --release 6.12
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum process { TEST, A, B, NR_PROCESSES };

enum window { H, NR_WINDOWS };

struct place {
	const char *name;
	const char *device;	/* PCI address, or NULL */
	int bar;
	unsigned long pages;	/* that the steps use */
};

static struct place windows[] = {
	[H] = { "H", "0000:00:04.0", 2, 2 },
};

#define PAGE 4096UL

#define ARENA 0x400000000000UL	/* page 0 of the steps */
#define AT(page) ((void *)(ARENA + (page) * PAGE))

#define PAGES(count) ((size_t)(count) * PAGE)

/* What the processes share: whose turn it is, and what came of the step. */
struct shared {
	int turn;		/* the step to do */
	int done;		/* the last step that was done */
	long ret;
	int err;
	int sig;
	pid_t pid[NR_PROCESSES];
	unsigned long base[NR_WINDOWS];	/* physical address */
	unsigned long size[NR_WINDOWS];	/* bytes */
};

static struct shared *shared;
static enum process me;

static int tests, failed;

static void __attribute__((noreturn)) finish(void)
{
	printf("# Totals: pass:%d fail:%d\n", tests - failed, failed);
	exit(failed ? 1 : 0);
}

static void __attribute__((noreturn, format(printf, 1, 2))) skip_all(const char *why, ...)
{
	va_list args;

	va_start(args, why);
	printf("1..0 # SKIP ");
	vprintf(why, args);
	printf("\n");
	va_end(args);
	exit(4);
}

static void __attribute__((noreturn, format(printf, 1, 2))) bail_out(const char *why, ...)
{
	va_list args;

	va_start(args, why);
	printf("Bail out! ");
	vprintf(why, args);
	printf("\n");
	va_end(args);
	exit(1);
}

static void report(bool ok, const char *what)
{
	tests++;
	failed += !ok;
	printf("%s %d %s\n", ok ? "ok" : "not ok", tests, what);
}

/* Let @who do a step, and wait until that is done or the process is gone. */
static void let(int number, enum process who)
{
	int status, tries;

	shared->ret = -1;
	shared->err = ESRCH;
	shared->sig = 0;
	if (!shared->pid[who])
		return;
	__atomic_store_n(&shared->turn, number, __ATOMIC_RELEASE);
	for (tries = 0; tries < 40000; tries++) {
		if (__atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) == number)
			return;
		if (waitpid(shared->pid[who], &status, WNOHANG) > 0) {
			shared->pid[who] = 0;
			shared->sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
			shared->ret = shared->sig ? -1 : 0;
			shared->err = 0;
			return;
		}
		usleep(500);
	}
	bail_out("step %d does not return", number);
}

/*
 * All processes go through the steps in the same order. True in the process
 * that has to do this one, when its turn has come; the test process sees to
 * the order, and it alone checks and reports.
 */
static bool step(int number, enum process who)
{
	if (me == TEST && who != TEST)
		let(number, who);
	if (me != who)
		return false;
	while (me != TEST && __atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE) != number)
		usleep(500);
	return true;
}

/* What came of a step: a value, or -1 and errno. */
static void result(long ret)
{
	shared->ret = ret;
	shared->err = ret < 0 ? errno : 0;
	shared->sig = 0;
	__atomic_store_n(&shared->done, shared->turn, __ATOMIC_RELEASE);
}

/* The result of the step in words. */
static const char *outcome(void)
{
	if (shared->sig)
		return strsignal(shared->sig);
	return shared->err ? strerror(shared->err) : "success";
}

/* The step came out like this on every kernel; otherwise nothing below makes sense. */
static void must(int err, int sig, const char *what)
{
	if (me == TEST && (shared->err != err || shared->sig != sig))
		bail_out("%s: %s", what, outcome());
}

/* fork(), but the child is one of the test process, which waits for all. */
static void fork_process(enum process child)
{
	pid_t pid = syscall(SYS_clone, SIGCHLD | CLONE_PARENT, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		me = child;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	if (pid > 0)
		shared->pid[child] = pid;
	result(pid);
}

/* The test process never maps anything itself: what it sees outlives the others. */
static void start_first(void)
{
	pid_t pid = fork();

	if (pid < 0)
		bail_out("fork failed");
	if (pid == 0) {
		me = A;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	shared->pid[A] = pid;
}

static long map(int file, unsigned long at, unsigned long pages, unsigned long off,
		int prot, int flags)
{
	void *p = mmap(AT(at), PAGES(pages), prot, flags | MAP_FIXED, file, PAGES(off));

	return p == MAP_FAILED ? -1 : 0;
}

/* Where the BAR of a window lies, from the device's resource file. */
static void find_bar(enum window w)
{
	unsigned long start = 0, end = 0, flags;
	char path[128];
	FILE *file;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", windows[w].device);
	file = fopen(path, "r");
	if (!file)
		skip_all("no PCI device %s: name another one with %s=DEVICE:BAR",
			 windows[w].device, windows[w].name);
	for (i = 0; i <= windows[w].bar; i++)
		if (fscanf(file, "%lx %lx %lx", &start, &end, &flags) != 3)
			start = end = 0;
	fclose(file);
	if (!start || end - start + 1 < PAGES(windows[w].pages))
		skip_all("BAR %d of %s has fewer than %lu pages", windows[w].bar,
			 windows[w].device, windows[w].pages);
	shared->base[w] = start;
	shared->size[w] = end - start + 1;
}

/* H=0000:03:00.0:2 makes BAR 2 of that device the window H. */
static void name_windows(int argc, char **argv)
{
	int i, w;

	for (i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '='), *bar = strrchr(argv[i], ':');

		for (w = 0; w < NR_WINDOWS && value && bar > value; w++) {
			size_t length = strlen(windows[w].name);

			if (strncmp(argv[i], windows[w].name, length) ||
			    argv[i] + length != value || !windows[w].device)
				continue;
			*bar = 0;
			windows[w].device = value + 1;
			windows[w].bar = atoi(bar + 1);
			break;
		}
		if (!value || bar <= value || w == NR_WINDOWS) {
			fprintf(stderr, "usage: %s [WINDOW=DEVICE:BAR]...\n", argv[0]);
			exit(2);
		}
	}
}

/* The sysfs file of a BAR: resourceN is uncached, resourceN_wc write-combining. */
static int open_bar(enum window w, const char *suffix, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d%s",
		 windows[w].device, windows[w].bar, suffix);
	return open(path, flags);
}

static void need(const char *path, const char *what)
{
	if (access(path, F_OK))
		skip_all("no %s: needs %s", path, what);
}

#define RESERVATIONS "/sys/kernel/debug/x86/pat_memtype_list"
#define MAX_RESERVATIONS 512

struct reservation {
	unsigned long start;
	unsigned long end;	/* exclusive */
	char type[24];
};

struct list {
	int count;
	struct reservation at[MAX_RESERVATIONS];
};

/* The window that a physical range touches, or NR_WINDOWS. */
static int window_of(unsigned long start, unsigned long end)
{
	int w;

	for (w = 0; w < NR_WINDOWS; w++)
		if (start < shared->base[w] + shared->size[w] && shared->base[w] < end)
			break;
	return w;
}

/* The reservations inside the windows, in the kernel's order; both formats are known. */
static void read_list(struct list *list)
{
	struct reservation one;
	FILE *file = fopen(RESERVATIONS, "r");
	char line[160];

	list->count = 0;
	if (!file)
		bail_out("cannot read " RESERVATIONS);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "PAT: [mem 0x%lx-0x%lx] %23s",
			   &one.start, &one.end, one.type) != 3 &&
		    sscanf(line, "%23s @ 0x%lx-0x%lx", one.type, &one.start, &one.end) != 3)
			continue;
		if (window_of(one.start, one.end) == NR_WINDOWS)
			continue;
		if (list->count == MAX_RESERVATIONS)
			bail_out("more than %d reservations", MAX_RESERVATIONS);
		list->at[list->count++] = one;
	}
	fclose(file);
}

static void show_list(const struct list *list)
{
	int i;

	for (i = 0; i < list->count; i++) {
		const struct reservation *one = &list->at[i];
		int w = window_of(one->start, one->end);

		printf("#   reserved %s[%ld,%ld) %s\n", windows[w].name,
		       ((long)one->start - (long)shared->base[w]) / (long)PAGE,
		       ((long)one->end - (long)shared->base[w]) / (long)PAGE, one->type);
	}
	if (!list->count)
		printf("#   nothing is reserved\n");
}

/* A window that nobody uses has no reservations. */
static void need_unused(enum window w)
{
	struct list now;
	int i;

	read_list(&now);
	for (i = 0; i < now.count; i++)
		if (window_of(now.at[i].start, now.at[i].end) == (int)w)
			skip_all("%s is in use, or an earlier run left reservations",
				 windows[w].name);
}

static void report_list(bool ok, const struct list *list, const char *what)
{
	report(ok, what);
	if (!ok)
		show_list(list);
}

/* No reservation lies inside pages [first, end) of @w, which nothing maps. */
static void expect_no_leak(enum window w, unsigned long first, unsigned long end,
			   const char *what)
{
	unsigned long from = shared->base[w] + PAGES(first), to = shared->base[w] + PAGES(end);
	struct list now;
	bool ok = true;
	int i;

	if (me != TEST)
		return;
	read_list(&now);
	for (i = 0; i < now.count; i++)
		ok &= now.at[i].start < from || now.at[i].end > to;
	report_list(ok, &now, what);
}

static int fd[1];

static void steps(void)
{
	/*
	 * Step 1: A opens resource2 of H as fd0
	 * Expected: ok; reserved nothing
	 */
	if (step(1, A))
		result(fd[0] = open_bar(H, "", O_RDWR));
	must(0, 0, "step 1: A opens resource2 of H as fd0");

	/*
	 * Step 2: A maps fd0[0,2) at 0
	 * Expected: ok; reserved H[0,2) UC-
	 */
	if (step(2, A))
		result(map(fd[0], 0, 2, 0, PROT_READ | PROT_WRITE, MAP_SHARED));
	must(0, 0, "step 2: A maps fd0[0,2) at 0");

	/*
	 * Step 3: A protects [0,1) as read-only
	 * Expected: ok; reserved H[0,2) UC-
	 */
	if (step(3, A))
		result(mprotect(AT(0), PAGES(1), PROT_READ));
	must(0, 0, "step 3: A protects [0,1) as read-only");

	/*
	 * Step 4: A forks B
	 * Expected: ok; reserved H[0,2) UC-
	 * 6.12:     ok; reserved H[0,2) UC-, H[0,1) UC-, H[1,2) UC-
	 */
	if (step(4, A))
		fork_process(B);
	must(0, 0, "step 4: A forks B");

	/*
	 * Step 5: A unmaps [0,1)
	 * Expected: ok; reserved H[0,2) UC-
	 * 6.12:     ok; reserved H[0,2) UC-, H[1,2) UC-
	 */
	if (step(5, A))
		result(munmap(AT(0), PAGES(1)));
	must(0, 0, "step 5: A unmaps [0,1)");

	/*
	 * Step 6: A unmaps [1,2)
	 * Expected: ok; reserved H[0,2) UC-
	 */
	if (step(6, A))
		result(munmap(AT(1), PAGES(1)));
	must(0, 0, "step 6: A unmaps [1,2)");

	/*
	 * Step 7: B exits
	 * Expected: ok; reserved nothing
	 * 6.12:     ok; reserved H[0,1) UC-; log: freeing invalid H[0,1)
	 */
	if (step(7, B))
		_exit(0);
	must(0, 0, "step 7: B exits");
	expect_no_leak(H, 0, 2,
		       "step 7: B exits: nothing reserved inside H[0,2), which nothing maps");

	/*
	 * Step 8: A exits
	 * Expected: ok; reserved nothing
	 * 6.12:     ok; reserved H[0,1) UC-
	 */
	if (step(8, A))
		_exit(0);
	must(0, 0, "step 8: A exits");
}

int main(int argc, char **argv)
{
	name_windows(argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	setlinebuf(stdout);
	printf("KTAP version 1\n");
	need(RESERVATIONS, "root, debugfs, and a kernel with CONFIG_X86_PAT and PAT enabled");
	find_bar(H);
	need_unused(H);
	printf("1..1\n");
	start_first();
	steps();
	while (me != TEST)	/* no step is left but to be killed */
		pause();
	finish();
}
