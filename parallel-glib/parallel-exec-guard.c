/* parallel-exec-guard.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-exec.h"

/* The guardian: one process for each program that runs steps, which is told of each process group
 * as it comes and goes, and kills those that are left when that program dies without a word.
 *
 * It is no child of the program, which may wait for all its children, and it is in a session of its
 * own, where no terminal's signal reaches it. It sees the program's death by a descriptor for the
 * process, and without such descriptors (before Linux 5.3) by the end of its standard input. */

/* The most that the kernel allows, PID_MAX_LIMIT. */
#define MAX_PID (4 * 1024 * 1024)

/* How long it sleeps after it was told something, in milliseconds, but for the program's death: what it is told
 * meanwhile stays in the pipe, which holds many times more than can come. Otherwise each step would wake it twice. */
#define PAUSE 20

/* A bit for each process group. Memory is only used for the pages that are touched. */
static uint8_t groups[MAX_PID / 8];

static void
note (ParallelExecGroup group)
{
  long number = group < 0 ? -(long) group : group;
  uint8_t bit = (uint8_t) (1 << (number % 8));

  if (number <= 1 || number >= MAX_PID)
    return;

  if (group > 0)
    groups[number / 8] |= bit;
  else
    groups[number / 8] &= (uint8_t) ~bit;
}

/* Returns 0 at the end of the pipe. */
static int
listen (void)
{
  ParallelExecGroup told[256];
  long length;

  do
    {
      length = sys_read (0, told, sizeof told);
      for (long i = 0; (i + 1) * (long) sizeof told[0] <= length; i++)
        note (told[i]);
    }
  while (length == sizeof told || length == -EINTR);

  return length != 0;
}

static void __attribute__ ((noreturn))
kill_all (void)
{
  for (long i = 0; i < MAX_PID; i++)
    {
      if (i % 8 == 0 && groups[i / 8] == 0)
        i += 7;
      else if ((groups[i / 8] >> (i % 8)) & 1)
        sys_kill (-i, SIGKILL);
    }

  sys_exit (0);
}

static void __attribute__ ((noreturn))
watch (int program)
{
  struct pollfd items[2] = { { 0, POLLIN, 0 }, { program, POLLIN, 0 } };

  /* Nothing of the program's may be kept busy by this. */
  sys_setsid ();
  sys_chdir ("/");
  close_from (1, 2);

  for (;;)
    {
      int open;

      sys_poll (items, 2, items[0].events != 0 ? -1 : PAUSE);
      open = listen ();
      if (!open || items[1].revents != 0)
        kill_all ();
      items[0].events ^= POLLIN;
    }
}

void
guard (const Helper *helper)
{
  long program = sys_open_pid (helper->parent);
  long child;

  /* Or it would be some other process's. */
  if (sys_getppid () != helper->parent && sys_getppid () != 0)
    sys_exit (PARALLEL_EXEC_EXIT_FAILED);

  if (program >= 0)
    {
      sys_move_to ((int) program, PARALLEL_EXEC_REPORT_FD);
      program = PARALLEL_EXEC_REPORT_FD;
    }
  close_from (PARALLEL_EXEC_REPORT_FD + (program >= 0), ~0u);

  child = sys_fork ();
  if (child == 0)
    watch ((int) program);

  sys_exit (child > 0 ? PARALLEL_EXEC_EXIT_GUARDING : PARALLEL_EXEC_EXIT_FAILED);
}
