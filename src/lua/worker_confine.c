/* SPDX-License-Identifier: MIT
 * worker_confine.c: see worker_confine.h. */
#include "lua/worker_confine.h"

#include <stddef.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Their library opens files and more. */
void mcp_worker_confine(void) {}
#else

#if defined(__linux__)
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#if defined(__linux__) && defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__linux__) && defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE
#define LOAD(member)                                                           \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define REFUSE         RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW(call)                                                            \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1),                      \
      RETURN(SECCOMP_RET_ALLOW)
/* Memory, but none that can be executed. The protection is argument 2 of both;
 * it lies in the lower half on these machines. */
#define ALLOW_DATA(call)                                                       \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 4), LOAD(args[2]),       \
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), REFUSE,           \
      RETURN(SECCOMP_RET_ALLOW)

/* Other calls fail with EPERM: to be killed would hide what was missing. */
static void filter_calls(void) {
  static struct sock_filter program[] = {
      LOAD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
      RETURN(SECCOMP_RET_KILL_PROCESS),
      LOAD(nr),
      ALLOW(read),
      ALLOW(write),
      ALLOW(writev),
#ifdef __NR_poll
      ALLOW(poll),
#endif
      ALLOW(ppoll),
      ALLOW(close),
      ALLOW(fstat),
      ALLOW(brk),
      ALLOW(munmap),
      ALLOW(mremap),
      ALLOW(madvise),
      ALLOW(futex),
      ALLOW(clock_gettime),
      ALLOW(clock_nanosleep),
      ALLOW(nanosleep),
      ALLOW(gettimeofday),
      ALLOW(getrandom),
      ALLOW(sched_yield),
      ALLOW(restart_syscall),
      ALLOW(rt_sigreturn),
      ALLOW(rt_sigprocmask),
      ALLOW(getpid),
      ALLOW(gettid),
      ALLOW(tgkill),
      ALLOW(exit),
      ALLOW(exit_group),
      ALLOW_DATA(mmap),
      LOAD(nr),
      ALLOW_DATA(mprotect),
      REFUSE,
  };
  struct sock_fprog filter = {sizeof program / sizeof *program, program};
  (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
    (void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}
#else
static void filter_calls(void) {}
#endif

void mcp_worker_confine(void) {
  /* Descriptors that are open stay so; poll accepts one. */
  struct rlimit none = {0, 0}, one = {1, 1};
  (void)setrlimit(RLIMIT_NOFILE, &one);
  (void)setrlimit(RLIMIT_NPROC, &none);
  filter_calls();
}

#endif
