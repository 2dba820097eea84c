/* SPDX-License-Identifier: MIT */
/* Runs a program of the initramfs and tells what it printed and how it ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

#define MAX_TEXT (1 << 18)
#define MAX_IDLE 6000	/* waits of 10 ms without a sign of life */

static pid_t start(char **w, int *from)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], 1);
		dup2(pipe_fds[1], 2);
		execv(w[0], w);
		_exit(127);
	}
	close(pipe_fds[1]);
	*from = pipe_fds[0];
	return pid;
}

/*
 * run PATH ARG...: {"text", "status": exit code, or the negative number of a
 * signal, "stuck": it had to be left behind}.  The end of the program counts,
 * not that of its pipe, which a stuck child may keep open.
 */
void run_program(char *rest)
{
	char *w[MAX_WORDS + 1] = { NULL };
	int from = -1, status = 0, ended = 0, idle = 0;
	char *text = malloc(MAX_TEXT);
	size_t len = 0;
	pid_t pid = -1;

	if (text && words(rest, w, MAX_WORDS) > 0)
		pid = start(w, &from);
	while (pid > 0 && idle < MAX_IDLE) {
		struct pollfd pfd = { .fd = from, .events = POLLIN };
		ssize_t n = 0;

		if (poll(&pfd, 1, 10) > 0 && len < MAX_TEXT)
			n = read(from, text + len, MAX_TEXT - len);
		if (n > 0) {
			len += n;
			idle = 0;
			continue;
		}
		if (ended)
			break;
		ended = waitpid(pid, &status, WNOHANG) == pid;
		idle++;
		if (!ended && pfd.revents & POLLHUP)
			usleep(10000);
	}
	if (pid > 0 && !ended)
		kill(pid, SIGKILL);
	if (from >= 0)
		close(from);
	out_raw("{\"text\":");
	out_escaped(text ? text : "", len);
	out_raw(",\"status\":");
	out_int(WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
	out_raw(",\"stuck\":");
	out_int(pid > 0 && !ended);
	out_raw(",\"err\":");
	out_int(pid > 0 ? 0 : errno);
	out_raw("}\n");
	free(text);
}
