/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of memory type reservations, before and after a test.
 *
 * Whatever a test maps and unmaps, the list must be the same afterwards. It is
 * only there on x86 with PAT and debugfs; without it nothing is compared.
 */
#ifndef MEMTYPE_LIST_H
#define MEMTYPE_LIST_H

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MEMTYPE_LIST "/sys/kernel/debug/x86/pat_memtype_list"

static char memtype_list_before[1 << 16];
static ssize_t memtype_list_length;

/* The list as text; its length, or -1 if it cannot be read whole. */
static ssize_t memtype_list_read(char *text, size_t size)
{
	size_t have = 0;
	ssize_t got;
	int list = open(MEMTYPE_LIST, O_RDONLY);

	if (list < 0)
		return -1;
	while ((got = read(list, text + have, size - have)) > 0)
		have += got;
	close(list);
	return got < 0 || have == size ? -1 : (ssize_t)have;
}

static void memtype_list_remember(void)
{
	memtype_list_length = memtype_list_read(memtype_list_before,
						sizeof(memtype_list_before));
	if (memtype_list_length < 0)
		ksft_print_msg("%s cannot be read: not compared\n", MEMTYPE_LIST);
}

/* Is the list another one than it was? 0 as well if it is not known. */
static int memtype_list_changed(void)
{
	static char now[sizeof(memtype_list_before)];
	ssize_t length;

	if (memtype_list_length < 0)
		return 0;
	length = memtype_list_read(now, sizeof(now));
	if (length < 0)
		return 0;
	if (length == memtype_list_length && !memcmp(now, memtype_list_before, length))
		return 0;
	ksft_print_msg("reservations before:\n%.*s", (int)memtype_list_length,
		       memtype_list_before);
	ksft_print_msg("reservations after:\n%.*s", (int)length, now);
	return 1;
}

#endif
