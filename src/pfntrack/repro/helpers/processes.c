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
