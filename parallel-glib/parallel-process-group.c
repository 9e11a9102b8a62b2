/* parallel-process-group.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-process-group.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reads the state and the group of a process; FALSE when it is gone. */
static gboolean
read_stat (const char *pid,
           char       *state,
           int        *pgid)
{
  char path[64];
  char stat[512];
  const char *after_name;
  gssize length;
  int fd;

  g_snprintf (path, sizeof path, "/proc/%s/stat", pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return FALSE;
  length = read (fd, stat, sizeof stat - 1);
  close (fd);
  if (length <= 0)
    return FALSE;

  /* The name may have anything in it, parentheses too, but nothing after it has. */
  stat[length] = '\0';
  after_name = strrchr (stat, ')');
  return after_name != NULL && sscanf (after_name, ") %c %*d %d", state, pgid) == 2;
}

gboolean
parallel_process_group_is_empty (int pgid)
{
  g_autoptr (GDir) proc = NULL;
  const char *name;

  if (kill (-pgid, 0) < 0 && errno == ESRCH)
    return TRUE;

  proc = g_dir_open ("/proc", 0, NULL);
  if (proc == NULL)
    return FALSE;

  while ((name = g_dir_read_name (proc)) != NULL)
    {
      char state;
      int group;

      if (g_ascii_isdigit (name[0]) && read_stat (name, &state, &group) && group == pgid &&
          state != 'Z' && state != 'X')
        return FALSE;
    }
  return TRUE;
}
