/// PAGE: stdbool.h stdio.h
#define PAGE 4096UL

/// ARENA AT:
#define ARENA 0x400000000000UL	/* page 0 of the steps */
#define AT(page) ((void *)(ARENA + (page) * PAGE))

/// PAGES: sys/types.h
#define PAGES(count) ((size_t)(count) * PAGE)

/// shared me: sys/types.h
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

/// tests failed:
static int tests, failed;

/// finish: stdlib.h
static void __attribute__((noreturn)) finish(void)
{
	printf("# Totals: pass:%d fail:%d\n", tests - failed, failed);
	exit(failed ? 1 : 0);
}

/// skip_all: stdarg.h stdlib.h
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

/// bail_out: stdarg.h stdlib.h
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

/// report:
static void report(bool ok, const char *what)
{
	tests++;
	failed += !ok;
	printf("%s %d %s\n", ok ? "ok" : "not ok", tests, what);
}

/// let: errno.h sys/wait.h unistd.h
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

/// step: unistd.h
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

/// result: errno.h
/* What came of a step: a value, or -1 and errno. */
static void result(long ret)
{
	shared->ret = ret;
	shared->err = ret < 0 ? errno : 0;
	shared->sig = 0;
	__atomic_store_n(&shared->done, shared->turn, __ATOMIC_RELEASE);
}

/// signalled:
/* What came of a load or store: nothing, or a signal. */
static void signalled(int sig)
{
	shared->ret = sig ? -1 : 0;
	shared->err = 0;
	shared->sig = sig;
	__atomic_store_n(&shared->done, shared->turn, __ATOMIC_RELEASE);
}

/// outcome: string.h
/* The result of the step in words. */
static const char *outcome(void)
{
	if (shared->sig)
		return strsignal(shared->sig);
	return shared->err ? strerror(shared->err) : "success";
}

/// must:
/* The step came out like this on every kernel; otherwise nothing below makes sense. */
static void must(int err, int sig, const char *what)
{
	if (me == TEST && (shared->err != err || shared->sig != sig))
		bail_out("%s: %s", what, outcome());
}

/// note:
/* Kernels differ here, and this is not what is tested. */
static void note(const char *what)
{
	if (me == TEST)
		printf("# %s: %s\n", what, outcome());
}

/// fork_process: linux/sched.h signal.h sys/prctl.h sys/syscall.h unistd.h
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

/// kill_process: errno.h signal.h sys/wait.h
static void kill_process(enum process who)
{
	shared->ret = -1;
	shared->err = ESRCH;
	shared->sig = 0;
	if (!shared->pid[who])
		return;
	kill(shared->pid[who], SIGKILL);
	if (waitpid(shared->pid[who], NULL, 0) == shared->pid[who]) {
		shared->pid[who] = 0;
		shared->ret = 0;
		shared->err = 0;
	}
}

/// start_first: signal.h sys/prctl.h unistd.h
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

/// pfn:
/* The physical page number of page @page of a window. */
static unsigned long pfn(enum window w, unsigned long page)
{
	return shared->base[w] / PAGE + page;
}

/// map: sys/mman.h
static long map(int file, unsigned long at, unsigned long pages, unsigned long off,
		int prot, int flags)
{
	void *p = mmap(AT(at), PAGES(pages), prot, flags | MAP_FIXED, file, PAGES(off));

	return p == MAP_FAILED ? -1 : 0;
}

/// resize: sys/mman.h
/* mremap(), which also moves. */
static long resize(unsigned long at, unsigned long old, unsigned long new, int flags,
		   unsigned long to)
{
	void *p = mremap(AT(at), PAGES(old), PAGES(new), flags, AT(to));

	return p == MAP_FAILED ? -1 : 0;
}

/// touch fault_env on_fault: setjmp.h signal.h stdint.h
static sigjmp_buf fault_env;

static void on_fault(int sig)
{
	siglongjmp(fault_env, sig);
}

/* A load or store; returns the signal that it raised, or 0. */
static int touch(unsigned long at, bool write)
{
	volatile uint32_t *const word = AT(at);
	struct sigaction action = { .sa_handler = on_fault };
	int sig;

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sig = sigsetjmp(fault_env, 1);
	if (sig)
		return sig;
	if (write)
		*word = 0x5a5a5a5a;
	else
		(void)*word;
	return 0;
}

/// debugger_reads: errno.h fcntl.h stdint.h unistd.h
/* What a debugger does: the same path of the kernel, through one's own memory. */
static long debugger_reads(unsigned long at)
{
	int file = open("/proc/self/mem", O_RDONLY);
	uint32_t word;
	long ret = 0;

	if (file < 0)
		return -1;
	if (pread(file, &word, sizeof(word), (off_t)AT(at)) != sizeof(word)) {
		errno = EIO;
		ret = -1;
	}
	close(file);
	return ret;
}

/// write_file: errno.h fcntl.h string.h unistd.h
static long write_file(const char *path, const char *text)
{
	int file = open(path, O_WRONLY), saved;
	long ret;

	if (file < 0)
		return -1;
	ret = write(file, text, strlen(text));
	saved = errno;
	close(file);
	errno = saved;
	return ret;
}

/// find_bar:
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

/// set_place:
static void set_place(enum window w, unsigned long base)
{
	shared->base[w] = base;
	shared->size[w] = PAGES(windows[w].pages);
}

/// name_windows: stdlib.h string.h
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

/// open_bar: fcntl.h
/* The sysfs file of a BAR: resourceN is uncached, resourceN_wc write-combining. */
static int open_bar(enum window w, const char *suffix, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d%s",
		 windows[w].device, windows[w].bar, suffix);
	return open(path, flags);
}

/// need: unistd.h
static void need(const char *path, const char *what)
{
	if (access(path, F_OK))
		skip_all("no %s: needs %s", path, what);
}

/// driver_of driver_path: string.h unistd.h
static char driver_path[NR_WINDOWS][256];

/* Remember the device's driver, which is let go and called back. */
static void driver_of(enum window w)
{
	char link[128], to[200];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/driver", windows[w].device);
	len = readlink(link, to, sizeof(to) - 1);
	if (len < 0)
		skip_all("no driver is bound to %s", windows[w].device);
	to[len] = 0;
	snprintf(driver_path[w], sizeof(driver_path[w]), "/sys/bus/pci/drivers/%s",
		 strrchr(to, '/') + 1);
}

/// driver_does:
/* @what is bind or unbind. */
static long driver_does(enum window w, const char *what)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", driver_path[w], what);
	return write_file(path, windows[w].device);
}

/// need_vfio: string.h unistd.h
/* The device has to be in the hands of vfio-pci. */
static void need_vfio(enum window w)
{
	char link[128], to[200];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/driver", windows[w].device);
	len = readlink(link, to, sizeof(to) - 1);
	to[len < 0 ? 0 : len] = 0;
	if (len < 0 || strcmp(strrchr(to, '/') + 1, "vfio-pci"))
		skip_all("%s is not bound to vfio-pci", windows[w].device);
}

/// open_vfio: fcntl.h linux/vfio.h string.h sys/ioctl.h unistd.h
/* Container, group and device of a window's PCI function. */
static long open_vfio(enum window w, int *container, int *group, int *device)
{
	char link[128], to[200], path[220];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", windows[w].device);
	len = readlink(link, to, sizeof(to) - 1);
	if (len < 0)
		return -1;
	to[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(to, '/') + 1);
	*container = open("/dev/vfio/vfio", O_RDWR);
	*group = open(path, O_RDWR);
	if (*container < 0 || *group < 0 ||
	    ioctl(*group, VFIO_GROUP_SET_CONTAINER, container) ||
	    ioctl(*container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU))
		return -1;
	*device = ioctl(*group, VFIO_GROUP_GET_DEVICE_FD, windows[w].device);
	return *device < 0 ? -1 : 0;
}

/// vfio_page: linux/vfio.h sys/ioctl.h
/* Page @page of the BAR, as mmap of the VFIO device counts. */
static unsigned long vfio_page(int device, enum window w, unsigned long page)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = windows[w].bar };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return ~0UL >> 12;
	return info.offset / PAGE + page;
}

/// vfio_memory: errno.h linux/pci_regs.h linux/vfio.h stdint.h sys/ioctl.h unistd.h
/* Set or clear the memory bit of the command register. */
static long vfio_memory(int device, bool on)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;
	off_t at;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -1;
	at = info.offset + PCI_COMMAND;
	if (pread(device, &command, sizeof(command), at) != sizeof(command))
		return -1;
	command &= ~PCI_COMMAND_MEMORY;
	if (on)
		command |= PCI_COMMAND_MEMORY;
	return pwrite(device, &command, sizeof(command), at) == sizeof(command) ? 0 : -1;
}

/// lab_request LAB_IOCTL: linux/ioctl.h linux/types.h sys/ioctl.h
/* The request of the driver module, and what it can be asked: see pfnlab.h. */
struct lab_request {
	__u64 what;
	__u64 arg[8];
	__u64 out;
	char name[64];
};

#define LAB_IOCTL _IOWR('P', 1, struct lab_request)

/// lab:
static int lab = -1;	/* the driver module's file */

/// lab_ask: string.h
static long lab_ask(int file, __u64 what, const char *name, const __u64 *arg, __u64 *out)
{
	struct lab_request q = { .what = what };
	long ret;

	snprintf(q.name, sizeof(q.name), "%s", name);
	memcpy(q.arg, arg, sizeof(q.arg));
	ret = ioctl(file, LAB_IOCTL, &q);
	if (out)
		*out = q.out;
	return ret;
}

/// ASK:
#define ASK(file, what, ...) \
	lab_ask(file, what, "", (const __u64[8]){ __VA_ARGS__ }, NULL)

/// open_lab: errno.h fcntl.h unistd.h
/* A file of the driver module, which maps pages of a window. */
static int open_lab(enum window w, __u64 mode, __u64 cache, __u64 first, __u64 count, int flags)
{
	int file = open("/dev/pfnlab", flags);

	if (file < 0)
		return -1;
	if (ASK(file, PFNLAB_CONFIG, pfn(w, 0), shared->size[w] / PAGE, mode, cache,
		first, count)) {
		close(file);
		errno = EINVAL;
		return -1;
	}
	return file;
}

/// lab_ram:
/* The module allocates RAM, which becomes a window. */
static long lab_ram(enum window w, unsigned int slot)
{
	__u64 first = 0;
	long ret = lab_ask(lab, PFNLAB_RAM_ALLOC, "", (const __u64[8]){ slot, windows[w].pages },
			   &first);

	shared->base[w] = first * PAGE;
	shared->size[w] = PAGES(windows[w].pages);
	return ret;
}

/// lab_fail:
/*
 * Let the @nth call of a kernel function return @value; only calls about the
 * mapping at page @at count, if @match says so.
 */
static long lab_fail(const char *function, __u64 nth, long value, unsigned long at, __u64 match)
{
	const __u64 arg[8] = { nth, value, (__u64)AT(at), match };

	return lab_ask(lab, PFNLAB_FAIL, function, arg, NULL);
}

/// lab_fired:
/* Disarm the failing call; returns how often it failed. */
static long lab_fired(void)
{
	const __u64 none[8] = { 0 };
	__u64 fired = 0;

	if (lab_ask(lab, PFNLAB_UNFAIL, "", none, &fired))
		return -1;
	return fired;
}

/// reservation list RESERVATIONS MAX_RESERVATIONS:
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

/// window_of:
/* The window that a physical range touches, or NR_WINDOWS. */
static int window_of(unsigned long start, unsigned long end)
{
	int w;

	for (w = 0; w < NR_WINDOWS; w++)
		if (start < shared->base[w] + shared->size[w] && shared->base[w] < end)
			break;
	return w;
}

/// read_list:
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

/// show_list:
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

/// need_unused:
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

/// log_file log_text log_length: fcntl.h unistd.h
static int log_file = -1;
static char log_text[1 << 16];
static size_t log_length;

/// log_read: errno.h string.h
/* Add what the kernel has said to log_text. */
static void log_read(void)
{
	char record[2048];
	ssize_t len;

	for (;;) {
		len = read(log_file, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			break;
		if (log_length + len >= sizeof(log_text))
			bail_out("the kernel says more in one step than is kept here");
		memcpy(log_text + log_length, record, len);
		log_length += len;
		log_text[log_length] = 0;
	}
}

/// log_start:
/* From here on: what the kernel says belongs to the next step. */
static void log_start(void)
{
	if (me != TEST)
		return;
	log_read();
	log_length = 0;
	log_text[0] = 0;
}

/// open_log:
static void open_log(void)
{
	log_file = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (log_file < 0)
		skip_all("cannot read /dev/kmsg");
	lseek(log_file, 0, SEEK_END);
	/* Let warnings that were given once be given again; not all kernels can. */
	write_file("/sys/kernel/debug/clear_warn_once", "1");
}

/// expect_quiet: string.h
/* The kernel did not say @line during the step. */
static void expect_quiet(const char *line, const char *what)
{
	const char *said;

	if (me != TEST)
		return;
	log_read();
	said = strstr(log_text, line);
	report(!said, what);
	if (said)
		printf("#   the log has: %.*s\n", (int)strcspn(said, "\n"), said);
}

/// expect_success:
static void expect_success(const char *what)
{
	if (me != TEST)
		return;
	report(!shared->err && !shared->sig, what);
	if (shared->err || shared->sig)
		printf("#   got: %s\n", outcome());
}

/// report_list:
static void report_list(bool ok, const struct list *list, const char *what)
{
	report(ok, what);
	if (!ok)
		show_list(list);
}

/// expect_no_leak:
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

/// expect_unreserved:
/* No reservation reaches into pages [first, end) of @w. */
static void expect_unreserved(enum window w, unsigned long first, unsigned long end,
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
		ok &= now.at[i].end <= from || now.at[i].start >= to;
	report_list(ok, &now, what);
}

/// expect_reserved: string.h
/* Every one of pages [first, end) of @w has a reservation of this type. */
static void expect_reserved(enum window w, unsigned long first, unsigned long end,
			    const char *type, const char *what)
{
	unsigned long page;
	struct list now;
	bool ok = true;
	int i;

	if (me != TEST)
		return;
	read_list(&now);
	for (page = first; page < end; page++) {
		unsigned long at = shared->base[w] + PAGES(page);
		bool found = false;

		for (i = 0; i < now.count; i++)
			found |= now.at[i].start <= at && at < now.at[i].end &&
				 !strcmp(now.at[i].type, type);
		ok &= found;
	}
	report_list(ok, &now, what);
}

/// expect_entry: string.h
/* There is a reservation of exactly pages [first, end) of @w with this type. */
static void expect_entry(enum window w, unsigned long first, unsigned long end,
			 const char *type, const char *what)
{
	unsigned long from = shared->base[w] + PAGES(first), to = shared->base[w] + PAGES(end);
	struct list now;
	bool ok = false;
	int i;

	if (me != TEST)
		return;
	read_list(&now);
	for (i = 0; i < now.count; i++)
		ok |= now.at[i].start == from && now.at[i].end == to &&
		      !strcmp(now.at[i].type, type);
	report_list(ok, &now, what);
}

/// remember remembered:
static struct list remembered;

static void remember(void)
{
	if (me == TEST)
		read_list(&remembered);
}

/// expect_as_before: string.h
/* The reservations are what they were when remember() was called. */
static void expect_as_before(const char *what)
{
	struct list now;
	bool ok;
	int i;

	if (me != TEST)
		return;
	read_list(&now);
	ok = now.count == remembered.count;
	for (i = 0; ok && i < now.count; i++)
		ok = now.at[i].start == remembered.at[i].start &&
		     now.at[i].end == remembered.at[i].end &&
		     !strcmp(now.at[i].type, remembered.at[i].type);
	report_list(ok, &now, what);
}

/// mapped MAX_MAPPED:
/* A run of page-table entries of one process. */
struct mapped {
	unsigned long at;	/* pages */
	unsigned long pages;
	unsigned long pfn;
	const char *type;
};

#define MAX_MAPPED 256

/// page_type:
/* The memory type of a page-table entry, by the PAT that Linux programs. */
static const char *page_type(unsigned long bits)
{
	static const char *const types[] = {
		"write-back", "write-combining", "uncached-minus", "uncached",
		"write-back", "write-protected", "uncached-minus", "write-through",
	};

	return types[(bits >> 3 & 3) | (bits >> 5 & 4)];
}

/// read_mapped: stdlib.h string.h
/* The page-table entries of a process, which the driver module reads. */
static int read_mapped(enum process who, struct mapped *found)
{
	static char text[1 << 16];
	const __u64 arg[8] = {
		shared->pid[who], ARENA, ARENA + (1UL << 44), (__u64)(unsigned long)text,
		sizeof(text) - 1,
	};
	unsigned long at, pages, first, bits;
	__u64 length = 0;
	int count = 0;
	char *line;

	if (!shared->pid[who])
		return 0;
	if (lab_ask(lab, PFNLAB_STATE, "", arg, &length))
		bail_out("cannot read the page table of process %d", shared->pid[who]);
	text[length] = 0;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "P %lx %lu %lx %lx", &at, &pages, &first, &bits) != 4)
			continue;
		if (count == MAX_MAPPED)
			bail_out("more than %d runs of page-table entries", MAX_MAPPED);
		found[count++] = (struct mapped){
			(at - ARENA) / PAGE, pages, first, page_type(bits),
		};
	}
	return count;
}

/// expect_type: string.h
/* @who maps pages [at, at + pages) with this type. */
static void expect_type(enum process who, unsigned long at, unsigned long pages,
			const char *type, const char *what)
{
	struct mapped found[MAX_MAPPED];
	unsigned long page;
	bool ok = true;
	int count, i;

	if (me != TEST)
		return;
	count = read_mapped(who, found);
	for (page = at; page < at + pages; page++) {
		bool here = false;

		for (i = 0; i < count; i++)
			here |= found[i].at <= page && page < found[i].at + found[i].pages &&
				!strcmp(found[i].type, type);
		ok &= here;
	}
	report(ok, what);
	for (i = 0; !ok && i < count; i++)
		printf("#   mapped [%lu,%lu) %s\n", found[i].at, found[i].at + found[i].pages,
		       found[i].type);
}

/// same_type: string.h
/* Types that the processor cannot tell apart are one. */
static bool same_type(const char *a, const char *b)
{
	return !strcmp(a, b) || (!strncmp(a, "uncached", 8) && !strncmp(b, "uncached", 8));
}

/// expect_one_type:
/*
 * All processes map pages [first, end) of @w with one type. A mapping of the
 * kernel's own shows in its reservation.
 */
static void expect_one_type(enum window w, unsigned long first, unsigned long end,
			    bool with_reservations, const char *what)
{
	const char *type = NULL;
	struct mapped found[MAX_MAPPED];
	unsigned long from = pfn(w, first), to = pfn(w, end);
	struct list now;
	bool ok = true;
	int who, count, i;

	if (me != TEST)
		return;
	for (who = A; who < NR_PROCESSES; who++) {
		count = read_mapped(who, found);
		for (i = 0; i < count; i++) {
			if (found[i].pfn >= to || found[i].pfn + found[i].pages <= from)
				continue;
			printf("# %s maps [%lu,%lu) as %s\n", processes[who], found[i].at,
			       found[i].at + found[i].pages, found[i].type);
			ok &= !type || same_type(type, found[i].type);
			type = found[i].type;
		}
	}
	read_list(&now);
	for (i = 0; with_reservations && type && i < now.count; i++)
		if (now.at[i].start / PAGE < to && from < now.at[i].end / PAGE)
			ok &= same_type(type, now.at[i].type);
	report_list(ok, &now, what);
}
