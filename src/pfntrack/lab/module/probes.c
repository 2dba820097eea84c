// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes at kernel functions: one call can be made to fail, another to wait.
 * Each has one place at a time.
 */
#include <linux/kprobes.h>
#include <linux/nmi.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "pfnlab.h"
#include "probes.h"

struct probe {
	struct kprobe kp;
	char name[64];
	bool active;
};

static int probe_start(struct probe *probe, const char *name, kprobe_pre_handler_t entry,
		       kprobe_post_handler_t post)
{
	int err;

	memset(probe, 0, sizeof(*probe));
	strscpy(probe->name, name, sizeof(probe->name));
	probe->kp.symbol_name = probe->name;
	probe->kp.pre_handler = entry;
	probe->kp.post_handler = post;
	err = register_kprobe(&probe->kp);
	probe->active = !err;
	return err;
}

static void probe_stop(struct probe *probe)
{
	if (probe->active)
		unregister_kprobe(&probe->kp);
	probe->active = false;
}

/* --------------------------------------------------------- failing a call */

static struct {
	pid_t tgid;
	unsigned long nth;
	unsigned long value;
	unsigned long vma_at;
	unsigned int match;
	unsigned long seen;
	unsigned long fired;
	bool copying;
	bool watching;
} inj;

static struct probe inj_probe;
static struct kretprobe inj_copy;

/* What a failed call "runs" instead of its body. */
static noinline notrace void inj_empty(void)
{
	asm volatile("");
}

static bool inj_starts_at(unsigned long vma, unsigned long at)
{
	unsigned long start;

	if (!vma || copy_from_kernel_nofault(&start, (void *)vma, sizeof(start)))
		return false;
	return start == at;
}

static int inj_entry(struct kprobe *p, struct pt_regs *regs)
{
	if (current->tgid != inj.tgid || inj.fired)
		return 0;
	if (inj.match == PFNLAB_MATCH_ARG && !inj_starts_at(regs->di, inj.vma_at) &&
	    !inj_starts_at(regs->si, inj.vma_at))
		return 0;
	if (inj.match == PFNLAB_MATCH_COPY && !inj.copying)
		return 0;
	if (++inj.seen != inj.nth)
		return 0;
	inj.fired++;
	regs->ax = inj.value;
	regs->ip = (unsigned long)inj_empty;
	return 1;
}

/* Its presence keeps the probe from being turned into a jump, which could not change ip. */
static void inj_post(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static int copy_begins(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (current->tgid != inj.tgid || !inj_starts_at(regs->si, inj.vma_at))
		return 1;
	inj.copying = true;
	return 0;
}

static int copy_ends(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	inj.copying = false;
	return 0;
}

static void inj_stop(void)
{
	probe_stop(&inj_probe);
	if (inj.watching)
		unregister_kretprobe(&inj_copy);
	inj.watching = false;
	inj.copying = false;
}

int do_fail(const char *name, const __u64 *a)
{
	int err;

	inj_stop();
	memset(&inj, 0, sizeof(inj));
	inj.tgid = current->tgid;
	inj.nth = a[0];
	inj.value = a[1];
	inj.vma_at = a[2];
	inj.match = a[3];
	if (inj.match == PFNLAB_MATCH_COPY) {
		memset(&inj_copy, 0, sizeof(inj_copy));
		inj_copy.kp.symbol_name = "copy_page_range";
		inj_copy.entry_handler = copy_begins;
		inj_copy.handler = copy_ends;
		err = register_kretprobe(&inj_copy);
		if (err)
			return err;
		inj.watching = true;
	}
	err = probe_start(&inj_probe, name, inj_entry, inj_post);
	if (err)
		inj_stop();
	return err;
}

unsigned long do_unfail(void)
{
	unsigned long fired = inj.fired;

	inj.fired = 0;
	inj_stop();
	return fired;
}

/* --------------------------------------------------------- holding a call */

/*
 * One side of a race waits at the entry of a function until the other has
 * passed.  It spins, on a CPU of its own; a probe at an entry is called with
 * interrupts enabled, so that flushes of the TLB are answered meanwhile.
 */
#define HOLD_SECONDS 8

static struct {
	pid_t tgid;
	unsigned long nth;
	unsigned long seen;
	bool held;
	bool pass;
	bool late;
} hold;

static struct probe hold_probe;

static int hold_entry(struct kprobe *p, struct pt_regs *regs)
{
	u64 end;

	if (current->tgid != hold.tgid || ++hold.seen != hold.nth)
		return 0;
	end = local_clock() + HOLD_SECONDS * 1000000000ULL;
	WRITE_ONCE(hold.held, true);
	while (!READ_ONCE(hold.pass)) {
		if (local_clock() > end) {
			hold.late = true;
			break;
		}
		touch_softlockup_watchdog();
		cpu_relax();
	}
	return 0;
}

static void hold_stop(void)
{
	WRITE_ONCE(hold.pass, true);
	probe_stop(&hold_probe);
}

int do_hold(const char *name, const __u64 *a)
{
	hold_stop();
	memset(&hold, 0, sizeof(hold));
	hold.tgid = a[0];
	hold.nth = a[1];
	return probe_start(&hold_probe, name, hold_entry, NULL);
}

bool do_held(void)
{
	return READ_ONCE(hold.held);
}

bool do_pass(void)
{
	bool waited = hold.held && !hold.late;

	hold_stop();
	return waited;
}
