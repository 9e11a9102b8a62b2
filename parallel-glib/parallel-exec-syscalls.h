/* parallel-exec-syscalls.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

/* The system calls of parallel-glib-exec, for its files only: each returns -errno on failure.
 *
 * With PARALLEL_EXEC_FREESTANDING they are made directly and the helper has no C library, whose
 * start-up would cost twenty times what the helper does. The C library's headers are used for
 * constants and structures alone. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Older headers lack it; the number is the same everywhere. */
#ifndef SYS_close_range
# define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
# define SYS_pidfd_open 434
#endif

#ifdef PARALLEL_EXEC_FREESTANDING

#if defined (__x86_64__) && !defined (__ILP32__)

static inline long
sys_call (long number,
          long a,
          long b,
          long c,
          long d,
          long e)
{
  register long r10 __asm__ ("r10") = d;
  register long r8 __asm__ ("r8") = e;
  long result;

  __asm__ volatile ("syscall"
                    : "=a" (result)
                    : "0" (number), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8)
                    : "rcx", "r11", "memory");
  return result;
}

#elif defined (__aarch64__) && !defined (__ILP32__)

static inline long
sys_call (long number,
          long a,
          long b,
          long c,
          long d,
          long e)
{
  register long x8 __asm__ ("x8") = number;
  register long x0 __asm__ ("x0") = a;
  register long x1 __asm__ ("x1") = b;
  register long x2 __asm__ ("x2") = c;
  register long x3 __asm__ ("x3") = d;
  register long x4 __asm__ ("x4") = e;

  __asm__ volatile ("svc #0"
                    : "+r" (x0)
                    : "r" (x8), "r" (x1), "r" (x2), "r" (x3), "r" (x4)
                    : "memory", "cc");
  return x0;
}

#else
# error "No system calls for this processor: build without PARALLEL_EXEC_FREESTANDING"
#endif

static inline void __attribute__ ((noreturn))
sys_exit (int status)
{
  for (;;)
    sys_call (SYS_exit_group, status, 0, 0, 0, 0);
}

static inline long
sys_getpid (void)
{
  return sys_call (SYS_getpid, 0, 0, 0, 0, 0);
}

static inline long
sys_getppid (void)
{
  return sys_call (SYS_getppid, 0, 0, 0, 0, 0);
}

static inline long
sys_setpgid (long pid,
             long group)
{
  return sys_call (SYS_setpgid, pid, group, 0, 0, 0);
}

static inline long
sys_prctl (int  option,
           long value)
{
  return sys_call (SYS_prctl, option, value, 0, 0, 0);
}

static inline long
sys_chdir (const char *path)
{
  return sys_call (SYS_chdir, (long) path, 0, 0, 0, 0);
}

static inline long
sys_open_at (int         folder,
             const char *path,
             int         flags)
{
  return sys_call (SYS_openat, folder, (long) path, flags, 0, 0);
}

static inline long
sys_read (int     fd,
          void   *buffer,
          size_t  size)
{
  return sys_call (SYS_read, fd, (long) buffer, (long) size, 0, 0);
}

static inline long
sys_write (int         fd,
           const void *data,
           size_t      size)
{
  return sys_call (SYS_write, fd, (long) data, (long) size, 0, 0);
}

static inline long
sys_close (int fd)
{
  return sys_call (SYS_close, fd, 0, 0, 0, 0);
}

static inline long
sys_close_range (unsigned int first,
                 unsigned int last)
{
  return sys_call (SYS_close_range, first, last, 0, 0, 0);
}

static inline long
sys_move_to (int fd,
             int target)
{
  return sys_call (SYS_dup3, fd, target, O_CLOEXEC, 0, 0);
}

/* @milliseconds: negative for no limit. */
static inline long
sys_poll (struct pollfd *items,
          unsigned int   n_items,
          int            milliseconds)
{
  struct timespec limit = { milliseconds / 1000, milliseconds % 1000 * 1000000L };

  return sys_call (SYS_ppoll, (long) items, n_items, milliseconds < 0 ? 0 : (long) &limit, 0, 0);
}

static inline long
sys_get_entries (int    fd,
                 void  *buffer,
                 size_t size)
{
  return sys_call (SYS_getdents64, fd, (long) buffer, (long) size, 0, 0);
}

static inline long
sys_open_pid (long pid)
{
  return sys_call (SYS_pidfd_open, pid, 0, 0, 0, 0);
}

static inline long
sys_open_signals (uint64_t signals)
{
  return sys_call (SYS_signalfd4, -1, (long) &signals, sizeof signals, SFD_NONBLOCK | SFD_CLOEXEC, 0);
}

static inline long
sys_setsid (void)
{
  return sys_call (SYS_setsid, 0, 0, 0, 0, 0);
}

/* Bit n - 1 stands for signal n. */
static inline void
sys_set_signal_mask (uint64_t blocked)
{
  sys_call (SYS_rt_sigprocmask, SIG_SETMASK, (long) &blocked, 0, sizeof blocked, 0);
}

/* One that is blocked and has come has not come. */
static inline void
sys_forget_signal (int number)
{
  uint64_t signals = (uint64_t) 1 << (number - 1);
  int64_t no_time[2] = { 0 };

  sys_call (SYS_rt_sigtimedwait, (long) &signals, 0, (long) no_time, sizeof signals, 0);
}

static inline void
sys_reset_signal (int number)
{
  /* SIG_DFL, no flags, empty mask: zero throughout, and so the order of the kernel's members is
   * no matter. */
  uint64_t action[8] = { 0 };

  sys_call (SYS_rt_sigaction, number, (long) action, 0, sizeof (uint64_t), 0);
}

static inline long
sys_kill (long pid,
          int  number)
{
  return sys_call (SYS_kill, pid, number, 0, 0, 0);
}

static inline long
sys_fork (void)
{
  return sys_call (SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* On the 64-bit processors above, struct rusage is the kernel's. */
static inline long
sys_wait4 (long           pid,
           int           *status,
           int            options,
           struct rusage *usage)
{
  return sys_call (SYS_wait4, pid, (long) status, options, (long) usage, 0);
}

static inline long
sys_execve (const char  *path,
            char       **argv,
            char       **env)
{
  return sys_call (SYS_execve, (long) path, (long) argv, (long) env, 0, 0);
}

#else /* !PARALLEL_EXEC_FREESTANDING */

static inline long
sys_result (long result)
{
  return result < 0 ? -errno : result;
}

#define sys_exit(status)           _exit (status)
#define sys_getpid()               ((long) getpid ())
#define sys_getppid()              ((long) getppid ())
#define sys_setpgid(pid, group)    sys_result (setpgid (pid, group))
#define sys_prctl(option, value)   sys_result (prctl (option, (long) (value), 0L, 0L, 0L))
#define sys_chdir(path)            sys_result (chdir (path))
#define sys_open_at(folder, path, flags) sys_result (openat (folder, path, flags))
#define sys_read(fd, data, size)   sys_result (read (fd, data, size))
#define sys_write(fd, data, size)  sys_result (write (fd, data, size))
#define sys_close(fd)              sys_result (close (fd))
#define sys_close_range(from, to)  sys_result (syscall (SYS_close_range, from, to, 0u))
#define sys_move_to(fd, target)    sys_result (dup3 (fd, target, O_CLOEXEC))
#define sys_kill(pid, number)      sys_result (kill (pid, number))
#define sys_fork()                 sys_result (fork ())
#define sys_poll(items, n, limit)  sys_result (poll (items, n, limit))
#define sys_open_pid(pid)          sys_result (syscall (SYS_pidfd_open, (pid_t) (pid), 0u))
#define sys_setsid()               sys_result (setsid ())
#define sys_get_entries(fd, data, size)      sys_result (syscall (SYS_getdents64, fd, data, size))
#define sys_wait4(pid, status, options, ru)  sys_result (wait4 (pid, status, options, ru))
#define sys_execve(path, argv, env) sys_result (execve (path, argv, env))

static inline void
sys_make_set (uint64_t  signals,
              sigset_t *set)
{
  sigemptyset (set);
  for (int number = 1; number <= 64; number++)
    {
      if ((signals >> (number - 1)) & 1)
        sigaddset (set, number);
    }
}

static inline long
sys_open_signals (uint64_t signals)
{
  sigset_t set;

  sys_make_set (signals, &set);
  return sys_result (signalfd (-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

static inline void
sys_set_signal_mask (uint64_t blocked)
{
  sigset_t set;

  sys_make_set (blocked, &set);
  sigprocmask (SIG_SETMASK, &set, NULL);
}

static inline void
sys_forget_signal (int number)
{
  struct timespec no_time = { 0 };
  sigset_t set;

  sys_make_set ((uint64_t) 1 << (number - 1), &set);
  sigtimedwait (&set, NULL, &no_time);
}

static inline void
sys_reset_signal (int number)
{
  uint64_t action[8] = { 0 };

  /* As above: the C library refuses its own two signals, and its posix_spawn() leaves them
   * ignored. */
  if (syscall (SYS_rt_sigaction, number, action, NULL, sizeof (uint64_t)) != 0)
    signal (number, SIG_DFL);
}

#endif

#define sys_open(path, flags) sys_open_at (AT_FDCWD, path, flags)
