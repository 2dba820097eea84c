/* SPDX-License-Identifier: MIT */
/*
 * The guest side of the lab: process 1 of a throw-away guest.
 *
 * agent.c    reads one command per line from the second serial line and
 *            answers each with one line of JSON
 * worker.c   the processes of a scenario: each waits for one operation,
 *            performs it and says what came of it
 * observe.c  what can be read after each step
 * run.c      programs of the initramfs
 */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All mappings of a scenario lie here; the observer looks nowhere else. */
#define ARENA_BASE 0x400000000000ull
#define ARENA_END 0x410000000000ull

#define MAX_PROCS 12
#define MAX_WORDS 24

struct reply {
	int64_t ret;
	int32_t err;
	int32_t sig;
	uint64_t value;
};

struct proc {
	char name[8];
	pid_t pid;	/* 0: never started, or gone */
	unsigned int born;	/* later is larger */
	int stuck;	/* died or hangs inside the kernel: its mm may be locked */
	int ours;	/* the agent's end of the pair of sockets */
	int theirs;	/* the worker's end */
};

extern struct proc procs[MAX_PROCS];
extern int lab_fd;	/* /dev/pfnlab, or -1 without the module */

void worker_main(struct proc *self);
struct proc *proc_find(const char *name);
int words(char *line, char **out, int max);

void out_char(char c);
void out_raw(const char *s);
void out_escaped(const char *s, size_t n);
void out_int(int64_t v);
void out_flush(void);

void observe_start(void);
void observe_all(void);
void look_start(void);
void look(void);
char *slurp(const char *path, size_t *len);
void run_program(char *rest);

#endif
