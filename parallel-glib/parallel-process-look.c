/* parallel-process-look.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-process-look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_COMMAND 200     /* bytes of a command line */

/* Those in which programs wait. */
static const struct
{
  long        number;
  const char *name;
  gboolean    first_is_fd;
} calls[] = {
  { SYS_read, "read", TRUE },
  { SYS_readv, "readv", TRUE },
  { SYS_pread64, "pread64", TRUE },
  { SYS_write, "write", TRUE },
  { SYS_writev, "writev", TRUE },
  { SYS_pwrite64, "pwrite64", TRUE },
  { SYS_splice, "splice", TRUE },
  { SYS_sendfile, "sendfile", TRUE },
  { SYS_fsync, "fsync", TRUE },
  { SYS_fdatasync, "fdatasync", TRUE },
  { SYS_flock, "flock", TRUE },
  { SYS_fcntl, "fcntl", TRUE },
  { SYS_ioctl, "ioctl", TRUE },
  { SYS_connect, "connect", TRUE },
  { SYS_accept, "accept", TRUE },
  { SYS_accept4, "accept4", TRUE },
  { SYS_recvfrom, "recvfrom", TRUE },
  { SYS_recvmsg, "recvmsg", TRUE },
  { SYS_sendto, "sendto", TRUE },
  { SYS_sendmsg, "sendmsg", TRUE },
  { SYS_openat, "openat", FALSE },
  { SYS_ppoll, "ppoll", FALSE },
  { SYS_pselect6, "pselect6", FALSE },
  { SYS_epoll_pwait, "epoll_pwait", TRUE },
#ifdef SYS_open
  { SYS_open, "open", FALSE },
  { SYS_poll, "poll", FALSE },
  { SYS_select, "select", FALSE },
  { SYS_epoll_wait, "epoll_wait", TRUE },
  { SYS_pause, "pause", FALSE },
#endif
  { SYS_wait4, "wait4", FALSE },
  { SYS_waitid, "waitid", FALSE },
  { SYS_futex, "futex", FALSE },
  { SYS_nanosleep, "nanosleep", FALSE },
  { SYS_clock_nanosleep, "clock_nanosleep", FALSE },
  { SYS_rt_sigsuspend, "rt_sigsuspend", FALSE },
  { SYS_rt_sigtimedwait, "rt_sigtimedwait", FALSE },
  { SYS_restart_syscall, "restart_syscall", FALSE },
  { SYS_exit_group, "exit_group", FALSE },
};

static gssize
read_at (const char *folder,
         const char *name,
         char       *buffer,
         gsize       size)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  gssize length = -1;

  if (fd >= 0)
    {
      length = read (fd, buffer, size - 1);
      close (fd);
    }
  buffer[MAX (length, 0)] = '\0';

  return length;
}

/* "read (0: pipe:[1234])" */
static gboolean
append_call (const char *folder,
             GString    *text)
{
  char line[256];
  unsigned long first = 0;
  long number;

  if (read_at (folder, "syscall", line, sizeof line) <= 0 ||
      sscanf (line, "%ld %lx", &number, &first) < 1 || number < 0)
    return FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      if (calls[i].number != number)
        continue;

      g_string_append_printf (text, "waits in %s", calls[i].name);
      if (calls[i].first_is_fd)
        {
          g_autofree char *link = g_strdup_printf ("%s/fd/%lu", folder, first);
          g_autofree char *target = g_file_read_link (link, NULL);
          g_autofree char *valid = target != NULL ? g_utf8_make_valid (target, -1) : NULL;

          g_string_append_printf (text, " (%lu%s%s)", first, valid != NULL ? ": " : "",
                                  valid != NULL ? valid : "");
        }
      return TRUE;
    }

  g_string_append_printf (text, "waits in system call %ld", number);
  return TRUE;
}

/* What the kernel says: both of its files may be denied or empty. */
static void
append_wait (const char *folder,
             char        state,
             GString    *text)
{
  char channel[128];
  gsize length = text->len;

  if (state == 'R')
    {
      g_string_append (text, ": runs");
      return;
    }
  if (state == 'T' || state == 't')
    {
      g_string_append (text, state == 'T' ? ": is stopped" : ": is stopped by a debugger");
      return;
    }

  g_string_append (text, ": ");
  if (!append_call (folder, text))
    g_string_truncate (text, length);

  if (read_at (folder, "wchan", channel, sizeof channel) > 0 && strcmp (channel, "0") != 0)
    g_string_append_printf (text, "%s, kernel: %s", text->len == length ? ": waits" : "", channel);
}

/* NULL for a process that has none, or none any more. */
static char *
read_command (const char *folder)
{
  char line[MAX_COMMAND + 1];
  gssize length = read_at (folder, "cmdline", line, sizeof line);

  while (length > 0 && line[length - 1] == '\0')
    length--;
  if (length <= 0)
    return NULL;

  for (gssize i = 0; i < length; i++)
    {
      if (line[i] == '\0' || g_ascii_iscntrl (line[i]))
        line[i] = ' ';
    }

  return g_utf8_make_valid (line, length);
}

/* In seconds; the kernel counts from the start of the system, suspension included. */
static double
get_age (guint64 start)
{
  struct timespec now = { 0 };

  clock_gettime (CLOCK_BOOTTIME, &now);

  return MAX (0, (double) now.tv_sec + (double) now.tv_nsec / 1e9
                   - (double) start / (double) sysconf (_SC_CLK_TCK));
}

void
parallel_process_look (const ParallelProcess *process,
                       gboolean               brief,
                       GString               *text)
{
  g_autofree char *folder = g_strdup_printf ("/proc/%d", process->pid);
  g_autofree char *command = brief ? NULL : read_command (folder);

  g_string_append_printf (text, "%d %c for %.1f s: %s", process->pid, process->state,
                          get_age (process->start), command != NULL ? command : process->name);
  append_wait (folder, process->state, text);
}

void
parallel_process_look_thread (int      tid,
                              gint64   started,
                              GString *text)
{
  g_autofree char *folder = g_strdup_printf ("/proc/self/task/%d", tid);
  g_autofree char *valid = NULL;
  char name[64];
  char stat[512];
  const char *after_name;
  char state = '?';

  read_at (folder, "comm", name, sizeof name);
  valid = g_utf8_make_valid (g_strchomp (name), -1);
  read_at (folder, "stat", stat, sizeof stat);
  after_name = strrchr (stat, ')');
  if (after_name != NULL && after_name[1] == ' ')
    state = after_name[2];

  g_string_append_printf (text, "thread %d “%s” %c: in the function for %.1f s", tid, valid, state,
                          (double) (g_get_monotonic_time () - started) / G_USEC_PER_SEC);
  append_wait (folder, state, text);
}
