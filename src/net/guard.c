/* SPDX-License-Identifier: MIT
 * guard.c: see guard.h. Code after the forks calls only async-signal-safe
 * functions: other threads of the forked process may have held any lock. */
#include "net/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "net/process.h"

extern char **environ;

/* Where the guard has its descriptors: below are the standard ones. */
#define LINE_FD  3
#define FAULT_FD 4
/* Descriptors that are closed one by one where there is no close_range. */
#define DESCRIPTORS_MAX 65536

typedef enum { RUNNING, ENDING, TERMINATED, KILLED } stage_t;

typedef struct {
  pid_t child;     /* and its group */
  bool line_ended; /* no process reads the line any more */
  bool child_gone;
  stage_t stage;
  uint32_t grace, orphan_grace;
  uint64_t due; /* when the next stage begins */
} watch_t;

static uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void close_from(int first) {
  struct rlimit limit;
  int max = DESCRIPTORS_MAX;
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
#endif
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MAX)
    max = (int)limit.rlim_cur;
  for (int fd = first; fd < max; fd++) close(fd);
}

static void nothing(int number) {
  (void)number;
}

/* Resets every signal to `handler`: inherited handlers would write to pipes
 * that belong to the parent. */
static void set_signals(void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  for (int number = 1; number < NSIG; number++)
    if (number != SIGKILL && number != SIGSTOP)
      (void)sigaction(number, &action, NULL);
}

static void report(int fd, int kind, int value, int detail) {
  mcp_guard_news_t news = {kind, value, detail};
  const char *at = (const char *)&news;
  size_t left = sizeof news;
  /* The line has room for all messages there can be, so this write never waits:
   * a parent that does not read does not need them. */
  while (left > 0) {
    ssize_t n = send(fd, at, left, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    at += n;
    left -= (size_t)n;
  }
}

/* --- the child ----------------------------------------------------------- */

typedef struct {
  int32_t step, error;
} fault_t;

static _Noreturn void give_up(int fd, int step) {
  fault_t fault = {step, errno};
  (void)!write(fd, &fault, sizeof fault);
  _exit(127);
}

static _Noreturn void become(const mcp_guard_options_t *options, int fault) {
  sigset_t none;
  int fds[4 + MCP_PROCESS_PASSED];
  int last = 3 + (int)options->passed_count;
  for (int n = 0; n <= last; n++) {
    int fd = n < 3      ? options->fds[n]
             : n < last ? options->passed[n - 3]
                        : fault;
    fds[n] = fcntl(fd, F_DUPFD, last + 1);
    /* With a stream of ours in place of its own it must not run. */
    if (fds[n] < 0) give_up(fault, 0);
  }
  for (int n = 0; n <= last; n++) (void)dup2(fds[n], n);
  close_from(last + 1);
  (void)fcntl(last, F_SETFD, FD_CLOEXEC);
  fault = last;
  setsid();
#ifdef __linux__
  /* If the guard is killed as well as its parent, no process is left to end the
   * child. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  set_signals(SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (options->folder && chdir(options->folder) < 0)
    give_up(fault, MCP_PROCESS_FOLDER);
  environ = (char **)(uintptr_t)options->environment;
  execvp(options->arguments[0], (char **)(uintptr_t)options->arguments);
  give_up(fault, MCP_PROCESS_PROGRAM);
}

/* --- the guard ----------------------------------------------------------- */

static void signal_group(const watch_t *watch, int number) {
  kill(-watch->child, number);
  /* What is stopped would not notice. */
  if (number != SIGKILL) kill(-watch->child, SIGCONT);
}

static void end_no_later(watch_t *watch, uint64_t at) {
  if (watch->due > at) watch->due = at;
}

static void begin_end(watch_t *watch, uint32_t grace) {
  uint64_t now = now_ms();
  watch->grace = grace;
  if (watch->stage == RUNNING) {
    watch->stage = ENDING;
    watch->due = now + grace;
  }
  end_no_later(watch, now + grace);
  if (grace > 0 || watch->stage == KILLED) return;
  signal_group(watch, SIGKILL);
  watch->stage = KILLED;
  watch->due = now + watch->orphan_grace;
}

/* Does without the step in which the child may end by itself. */
static void begin_term(watch_t *watch, uint32_t grace) {
  if (grace == 0 || watch->stage > ENDING) {
    begin_end(watch, grace);
    return;
  }
  signal_group(watch, SIGTERM);
  watch->stage = TERMINATED;
  watch->grace = grace;
  watch->due = now_ms() + grace;
}

static void obey(watch_t *watch, uint32_t word) {
  uint32_t number = word & MCP_GUARD_NUMBER;
  if (word & MCP_GUARD_SIGNAL) {
    kill(-watch->child, (int)number);
  } else if (word & MCP_GUARD_TERM) {
    begin_term(watch, number);
  } else {
    begin_end(watch, number);
  }
}

/* The socket has data, or has closed. */
static void listen_to_line(watch_t *watch) {
  uint32_t word;
  ssize_t n = recv(LINE_FD, &word, sizeof word, MSG_DONTWAIT);
  if (n == (ssize_t)sizeof word) {
    obey(watch, word);
  } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    watch->line_ended = true;
    begin_end(watch,
              watch->stage > RUNNING && watch->grace < watch->orphan_grace
                  ? watch->grace
                  : watch->orphan_grace);
  }
}

/* Reaps dead processes: the child, and its descendants that the guard
 * inherited. */
static void reap(watch_t *watch) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != watch->child) continue;
    watch->child_gone = true;
    report(LINE_FD, MCP_GUARD_EXITED,
           WIFEXITED(status) ? WEXITSTATUS(status) : 0,
           WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  }
}

static bool is_all_gone(const watch_t *watch) {
  return watch->child_gone && kill(-watch->child, 0) < 0 && errno == ESRCH;
}

/* What has to be done by now. */
static void advance(watch_t *watch) {
  uint64_t now = now_ms();
  if (watch->stage == ENDING && watch->child_gone) {
    /* No process is left that could end by itself. */
    if (watch->grace > watch->orphan_grace) watch->grace = watch->orphan_grace;
    watch->due = now;
  }
  if (watch->stage == RUNNING || now < watch->due) return;
  watch->due = now + watch->grace;
  switch (watch->stage++) {
  case ENDING: signal_group(watch, SIGTERM); break;
  case TERMINATED: signal_group(watch, SIGKILL); break;
  default: _exit(0); /* not even that has helped */
  }
}

static _Noreturn void keep(watch_t *watch) {
  sigset_t none;
  sigemptyset(&none);
  for (;;) {
    struct timespec wait = {0, 0};
    fd_set set;
    uint64_t now;
    int n;
    reap(watch);
    if (is_all_gone(watch)) _exit(0);
    advance(watch);
    now = now_ms();
    if (watch->stage != RUNNING && watch->due > now) {
      wait.tv_sec = (time_t)((watch->due - now) / 1000);
      wait.tv_nsec = (long)((watch->due - now) % 1000) * 1000000;
    }
    FD_ZERO(&set);
    if (!watch->line_ended) FD_SET(LINE_FD, &set);
    /* Signals are delivered only here, so none is missed. */
    n = pselect(LINE_FD + 1, &set, NULL, NULL,
                watch->stage == RUNNING ? NULL : &wait, &none);
    if (n > 0) listen_to_line(watch);
  }
}

/* Drops all that the guard has from us but the line and the fault pipe, both of
 * which lie above their places. */
static void strip(int line, int fault) {
  int null;
  (void)dup2(line, LINE_FD);
  (void)dup2(fault, FAULT_FD);
  close_from(FAULT_FD + 1);
  for (int fd = 0; fd < 3; fd++) close(fd);
  null = open("/dev/null", O_RDWR);
  if (null == 0 && dup(null) >= 0) (void)!dup(null);
  /* No folder is held busy either. */
  (void)!chdir("/");
}

/* Waits until the child runs its program. True: it does not. */
static bool hear_fault(fault_t *fault) {
  size_t got = 0;
  ssize_t n;
  do {
    n = read(FAULT_FD, (char *)fault + got, sizeof *fault - got);
    if (n > 0) got += (size_t)n;
  } while ((n < 0 && errno == EINTR) || (n > 0 && got < sizeof *fault));
  close(FAULT_FD);
  return got > 0;
}

/* The child borrows the memory of the guard, which waits until it runs another
 * program: a second copy of the tables of a large process takes as long as the
 * first. A macro, because the function that calls vfork must not return. */
#ifdef __linux__
#define start_child vfork
#else
#define start_child fork
#endif

static _Noreturn void stand_guard(const mcp_guard_options_t *options,
                                  int line) {
  watch_t watch = {.grace = options->grace, .orphan_grace = options->grace};
  struct sigaction on_child = {.sa_handler = nothing};
  fault_t fault = {0, 0};
  int pipe_fds[2], low, high;
  /* A signal to our process group, from a terminal or from kill, must not reach
   * the guard, which has to clean up afterwards. */
  setsid();
  set_signals(SIG_IGN);
  sigaction(SIGCHLD, &on_child, NULL);
#ifdef __linux__
  prctl(PR_SET_NAME, "mcp-guard");
  /* Processes whose parent has died become children of the guard, not of init.
   */
  prctl(PR_SET_CHILD_SUBREAPER, 1);
#endif
  if (pipe(pipe_fds) < 0 || (low = fcntl(line, F_DUPFD, FAULT_FD + 1)) < 0 ||
      (high = fcntl(pipe_fds[0], F_DUPFD, FAULT_FD + 1)) < 0 ||
      (watch.child = start_child()) < 0) {
    report(line, MCP_GUARD_FAILED, 0, errno);
    _exit(127);
  }
  if (watch.child == 0) become(options, pipe_fds[1]);
  close(pipe_fds[1]);
  strip(low, high);
  if (hear_fault(&fault)) {
    report(LINE_FD, MCP_GUARD_FAILED, fault.step, fault.error);
    (void)waitpid(watch.child, NULL, 0);
    _exit(127);
  }
  report(LINE_FD, MCP_GUARD_STARTED, watch.child, 0);
  keep(&watch);
}

int mcp_guard_start(const mcp_guard_options_t *options, int line,
                    pid_t *guard) {
  sigset_t all, before;
  pid_t pid;
  int error;
  sigfillset(&all);
  /* No inherited handler may run in the fork before it is reset. */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid = fork();
  if (pid == 0) stand_guard(options, line);
  error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (pid < 0) return -error;
  *guard = pid;
  return 0;
}
