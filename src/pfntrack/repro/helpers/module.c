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
