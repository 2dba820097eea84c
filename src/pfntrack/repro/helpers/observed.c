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
