/* inject.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Both names of open() and the like are to be had. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "inject.h"

/* To be preloaded. Makes the calls of one function fail, from the moment at which the program arms it:
 *
 *   INJECT_FUNCTION  its name
 *   INJECT_ERRNO     the number of the error
 *   INJECT_CALL      the first call that fails, from 1
 *   INJECT_ONCE      set: only that one
 *
 * And shifts the clocks that can be set, when the program says so. */

static atomic_bool armed;
static atomic_uint n_calls;

/* Constant once it is armed. */
static const char *function;
static unsigned first_call;
static bool once;
static int code;

void
inject_arm (void)
{
  const char *call = getenv ("INJECT_CALL");
  const char *error = getenv ("INJECT_ERRNO");

  function = getenv ("INJECT_FUNCTION");
  if (function == NULL || call == NULL || error == NULL)
    return;

  first_call = (unsigned) atoi (call);
  once = getenv ("INJECT_ONCE") != NULL;
  code = atoi (error);
  atomic_store (&armed, true);
}

unsigned
inject_disarm (void)
{
  atomic_store (&armed, false);
  return atomic_load (&n_calls);
}

static bool
fails (const char *name)
{
  unsigned call;

  if (!atomic_load (&armed) || strcmp (name, function) != 0)
    return false;

  call = atomic_fetch_add (&n_calls, 1) + 1;
  if (once ? call != first_call : call < first_call)
    return false;

  errno = code;
  return true;
}

/* Of a file and not of a pipe or an event, for which the kernel has no such errors. */
static bool
fails_for_file (const char *name,
                int         fd)
{
  struct stat status;

  return atomic_load (&armed) && fstat (fd, &status) == 0 && S_ISREG (status.st_mode) && fails (name);
}

#define NEXT(name) \
  static __typeof__ (&name) next; \
  if (next == NULL) \
    next = (__typeof__ (&name)) dlsym (RTLD_NEXT, #name)

#define DEFINE_OPEN(name) \
  int \
  name (const char *path, \
        int         flags, \
        ...) \
  { \
    mode_t mode = 0; \
    va_list args; \
    NEXT (name); \
    va_start (args, flags); \
    if ((flags & (O_CREAT | O_TMPFILE)) != 0) \
      mode = va_arg (args, mode_t); \
    va_end (args); \
    return fails ("open") ? -1 : next (path, flags, mode); \
  }

DEFINE_OPEN (open)
DEFINE_OPEN (open64)

int
pipe2 (int fds[2],
       int flags)
{
  NEXT (pipe2);
  return fails ("pipe2") ? -1 : next (fds, flags);
}

int
eventfd (unsigned initial,
         int      flags)
{
  NEXT (eventfd);
  return fails ("eventfd") ? -1 : next (initial, flags);
}

#define DEFINE_FCNTL(name) \
  int \
  name (int fd, \
        int command, \
        ...) \
  { \
    va_list args; \
    void *arg; \
    NEXT (name); \
    va_start (args, command); \
    arg = va_arg (args, void *); \
    va_end (args); \
    if (command == F_DUPFD_CLOEXEC && fails ("dup")) \
      return -1; \
    return next (fd, command, arg); \
  }

DEFINE_FCNTL (fcntl)
DEFINE_FCNTL (fcntl64)

int
memfd_create (const char *name,
              unsigned    flags)
{
  NEXT (memfd_create);
  return fails ("memfd_create") ? -1 : next (name, flags);
}

long
syscall (long number,
         ...)
{
  long a[6];
  va_list args;
  NEXT (syscall);

  va_start (args, number);
  for (unsigned i = 0; i < 6; i++)
    a[i] = va_arg (args, long);
  va_end (args);
  if (number == SYS_pidfd_open && fails ("pidfd_open"))
    return -1;
  return next (number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* These two return the error. */
int
posix_spawn (pid_t                            *pid,
             const char                       *path,
             const posix_spawn_file_actions_t *actions,
             const posix_spawnattr_t          *attributes,
             char * const                      argv[],
             char * const                      envp[])
{
  NEXT (posix_spawn);
  return fails ("posix_spawn") ? code : next (pid, path, actions, attributes, argv, envp);
}

int
pthread_create (pthread_t            *thread,
                const pthread_attr_t *attributes,
                void               *(*start) (void *),
                void                 *data)
{
  NEXT (pthread_create);
  return fails ("pthread_create") ? code : next (thread, attributes, start, data);
}

ssize_t
splice (int      fd_in,
        off64_t *offset_in,
        int      fd_out,
        off64_t *offset_out,
        size_t   length,
        unsigned flags)
{
  NEXT (splice);
  return fails ("splice") ? -1 : next (fd_in, offset_in, fd_out, offset_out, length, flags);
}

ssize_t
write (int         fd,
       const void *data,
       size_t      length)
{
  NEXT (write);
  return fails_for_file ("write", fd) ? -1 : next (fd, data, length);
}

#define DEFINE_PREAD(name, offset_type) \
  ssize_t \
  name (int         fd, \
        void       *buffer, \
        size_t      length, \
        offset_type offset) \
  { \
    NEXT (name); \
    return fails ("pread") ? -1 : next (fd, buffer, length, offset); \
  }

DEFINE_PREAD (pread, off_t)
DEFINE_PREAD (pread64, off64_t)

#define DEFINE_PWRITE(name, offset_type) \
  ssize_t \
  name (int         fd, \
        const void *data, \
        size_t      length, \
        offset_type offset) \
  { \
    NEXT (name); \
    return fails ("pwrite") ? -1 : next (fd, data, length, offset); \
  }

DEFINE_PWRITE (pwrite, off_t)
DEFINE_PWRITE (pwrite64, off64_t)

/* The clocks */

static atomic_long clock_shift;

void
inject_shift_clocks (long seconds)
{
  atomic_store (&clock_shift, seconds);
}

int
clock_gettime (clockid_t        clock,
               struct timespec *now)
{
  int result;
  NEXT (clock_gettime);

  result = next (clock, now);
  if (clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME_COARSE)
    now->tv_sec += atomic_load (&clock_shift);
  return result;
}

time_t
time (time_t *result)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  if (result != NULL)
    *result = now.tv_sec;
  return now.tv_sec;
}

int
gettimeofday (struct timeval *restrict now,
              void *restrict           zone)
{
  struct timespec precise;

  clock_gettime (CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}
