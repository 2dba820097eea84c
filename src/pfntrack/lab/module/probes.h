/* SPDX-License-Identifier: GPL-2.0-only */
/* What main.c asks of probes.c. Arguments are those of the requests in pfnlab.h. */
#ifndef PFNLAB_PROBES_H
#define PFNLAB_PROBES_H

#include <linux/types.h>

int do_fail(const char *name, const __u64 *a);
/* How often it failed. */
unsigned long do_unfail(void);

int do_hold(const char *name, const __u64 *a);
bool do_held(void);
/* Lets the held call go on; was it waiting until then? */
bool do_pass(void);

#endif
