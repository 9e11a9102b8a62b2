/* parallel-exec-supervise.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-exec.h"

/* The helper stays, as the parent of the program and the leader of its process group (but for a
 * tree, see below), and reports
 * the program's wait status and resource use: what only the one who waits for it learns.
 *
 * All signals are blocked meanwhile: one sent to the group is the program's to handle, and its end
 * must still be reported. SIGKILL takes both.
 *
 * With a tree, it is also the subreaper of all that the program starts, wherever that moves to, and
 * kills what is left when the program ends, when it is told to (PARALLEL_EXEC_SIGNAL_KILL), and
 * when the program that runs the steps dies. It ends after all of them. The program is in another
 * group then, and what is sent to it is sent to each of its processes. */

/* While it kills: how often it looks for those that came since the last time, in milliseconds. */
#define KILL_INTERVAL 10

/* As the kernel has it; the C library's is no part of what a helper without one may use. */
struct entry
{
  uint64_t       inode;
  int64_t        offset;
  unsigned short length;
  unsigned char  type;
  char           name[];
};

typedef struct
{
  const Helper  *helper;
  long           child;
  int            status;      /* of the child, once it has ended */
  struct rusage  usage;
  int            ended;
  int            killing;
  int            signals;     /* a descriptor that is readable when a signal has come */
  int            program;     /* a descriptor that is readable when the program has died, or -1 */
} Supervisor;

static void
report_end (const Supervisor *self)
{
  ParallelExecRecord record = { .kind = PARALLEL_EXEC_ENDED, .pid = (int32_t) self->helper->pid };
  const struct rusage *usage = &self->usage;

  record.number = (uint32_t) self->status;
  record.user_time = (int64_t) usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec;
  record.system_time = (int64_t) usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec;
  record.max_rss = usage->ru_maxrss;
  report (&record);
}

/* Ends as the program ended, so that who waits for the helper sees the program's own status. */
static void __attribute__ ((noreturn))
end_like (const Helper *helper,
          int           status)
{
  if (WIFSIGNALED (status))
    {
      int number = WTERMSIG (status);

      /* The program left the core dump, if any. RLIMIT_CORE would not do: it is ignored when the
       * core goes to a program. */
      sys_prctl (PR_SET_DUMPABLE, 0);
      sys_kill (helper->pid, number);
      sys_set_signal_mask (ALL_SIGNALS & ~SIGNAL_BIT (number));
      sys_exit (128 + number);
    }

  sys_exit (WEXITSTATUS (status));
}

/* ---- the tree ---- */

/* The parent of the process whose folder in /proc is @name, or 0. */
static long
get_parent (int         proc,
            const char *name)
{
  char path[32];
  char stat[512];
  size_t i = 0;
  long length;
  long fd;

  while (name[i] != '\0' && i < sizeof path - 6)
    {
      path[i] = name[i];
      i++;
    }
  memcpy (path + i, "/stat", 6);

  fd = sys_open_at (proc, path, O_RDONLY | O_CLOEXEC);
  length = fd >= 0 ? sys_read ((int) fd, stat, sizeof stat - 1) : -1;
  if (fd >= 0)
    sys_close ((int) fd);

  /* The name of the program is in parentheses and may have more of them. */
  while (length > 0 && stat[length - 1] != ')')
    length--;
  if (length <= 0)
    return 0;
  stat[sizeof stat - 1] = '\0';

  return parse_number (stat + length + 3);
}

/* Those that it has started are killed when they have become children of this one. */
static void
kill_children (const Helper *helper)
{
  char buffer[4096] __attribute__ ((aligned (8)));
  long proc = sys_open ("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  long length;

  if (proc < 0)
    return;

  while ((length = sys_get_entries ((int) proc, buffer, sizeof buffer)) > 0)
    {
      for (long at = 0; at < length; )
        {
          const struct entry *entry = (const struct entry *) (buffer + at);
          long pid = parse_number (entry->name);

          if (pid > 0 && get_parent ((int) proc, entry->name) == helper->pid)
            sys_kill (pid, SIGKILL);
          at += entry->length;
        }
    }
  sys_close ((int) proc);
}

/* Returns whether any child is left. */
static int
reap (Supervisor *self)
{
  struct rusage usage;
  int status;
  long pid;

  do
    {
      pid = sys_wait4 (-1, &status, WNOHANG, &usage);
      if (pid == self->child)
        {
          self->status = status;
          self->usage = usage;
          self->ended = 1;
          self->killing = 1;
        }
    }
  while (pid > 0 || pid == -EINTR);

  return pid == 0;
}

static void
look_at_signals (Supervisor *self)
{
  struct signalfd_siginfo info;

  while (sys_read (self->signals, &info, sizeof info) == sizeof info)
    {
      if (info.ssi_signo == PARALLEL_EXEC_SIGNAL_KILL)
        self->killing = 1;
    }
}

static void
wait_for_tree (Supervisor *self)
{
  while (reap (self))
    {
      struct pollfd items[2] = { { self->signals, POLLIN, 0 }, { self->program, POLLIN, 0 } };

      if (self->killing)
        kill_children (self->helper);

      sys_poll (items, 2, self->killing ? KILL_INTERVAL : -1);
      look_at_signals (self);
      if (items[1].revents != 0)
        self->killing = 1;
      if (self->killing)
        self->program = -1;
    }
}

/* Its descriptors are opened before the program can end. A kernel without them leaves the death
 * signal alone. */
static void
prepare_tree (Supervisor *self)
{
  sys_prctl (PR_SET_CHILD_SUBREAPER, 1);
  self->signals = (int) sys_open_signals (SIGNAL_BIT (SIGCHLD)
                                          | SIGNAL_BIT (PARALLEL_EXEC_SIGNAL_KILL));
  self->program = (int) sys_open_pid (self->helper->parent);
  if (sys_getppid () != self->helper->parent && sys_getppid () != 0)
    sys_exit (PARALLEL_EXEC_EXIT_FAILED);
}

/* ---- one program ---- */

static void
wait_for_child (Supervisor *self)
{
  long result;

  do
    result = sys_wait4 (self->child, &self->status, 0, &self->usage);
  while (result == -EINTR);

  self->ended = (result == self->child);
}

/* The program is forked from here, so its peak memory is its own, and not what it shared with a big
 * program for the moment of a vfork(). */
void
supervise (const Helper *helper,
           int           tree)
{
  Supervisor self = { .helper = helper, .signals = -1, .program = -1 };

  if (tree)
    prepare_tree (&self);

  self.child = sys_fork ();
  if (self.child < 0)
    fail (helper, PARALLEL_EXEC_NO_FORK, -self.child);

  if (self.child == 0)
    {
      /* A program that kills its own group must not take the keeper of its tree with it. */
      if (tree)
        sys_setpgid (0, 0);
      die_with (helper->pid, helper->death);
      become_program (helper);
    }

  /* Who reads the program's output must see its end when the program ends. */
  close_from (0, 2);

  if (tree)
    wait_for_tree (&self);
  else
    wait_for_child (&self);

  if (!self.ended)
    sys_exit (PARALLEL_EXEC_EXIT_FAILED);

  report_end (&self);
  end_like (helper, self.status);
}
