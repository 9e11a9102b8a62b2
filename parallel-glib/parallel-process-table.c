/* parallel-process-table.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-process-table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parallel-exec-protocol.h"
#include "parallel-fork.h"

struct _ParallelProcessTable
{
  gatomicrefcount  ref_count;

  /* Constant once it is read. */
  gint64           begun;         /* monotonic time */
  GPtrArray       *processes;     /* of ParallelProcess, by start */
};

/* Guarded by mutex, which is held while a table is read: who comes meanwhile waits for it. */
static GMutex mutex;
static ParallelProcessTable *latest;

static void
process_free (ParallelProcess *process)
{
  g_free (process->name);
  g_free (process->mark);
  g_free (process);
}

/* Whoever was reading is not here any more. */
static void
forked (void)
{
  g_mutex_init (&mutex);
  latest = NULL;
}

/* ---- reading ---- */

/* Reads a small file of a process, and returns how much; -1 if it cannot be read. */
static gssize
read_file (int         pid,
           const char *name,
           char       *buffer,
           gsize       size)
{
  char path[64];
  gssize length;
  int fd;

  g_snprintf (path, sizeof path, "/proc/%d/%s", pid, name);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  length = read (fd, buffer, size - 1);
  close (fd);
  if (length >= 0)
    buffer[length] = '\0';

  return length;
}

/* Fills all but the mark. FALSE when the process is gone. */
static gboolean
read_stat (int              pid,
           ParallelProcess *process)
{
  char stat[1024];
  char *name;
  char *after_name;

  if (read_file (pid, "stat", stat, sizeof stat) <= 0)
    return FALSE;

  /* The name may have anything in it, parentheses too, but nothing after it has. */
  name = strchr (stat, '(');
  after_name = strrchr (stat, ')');
  if (name == NULL || after_name == NULL ||
      sscanf (after_name, ") %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d"
              " %" G_GUINT64_FORMAT, &process->state, &process->parent, &process->group,
              &process->start) != 4)
    return FALSE;

  *after_name = '\0';
  process->pid = pid;
  process->name = g_utf8_make_valid (name + 1, -1);
  return TRUE;
}

/* The mark of a process, or NULL. Its environment may be of any size, and a variable may lie across
 * the border of what is read at once. */
static char *
read_mark (int pid)
{
  static const char name[] = PARALLEL_EXEC_MARK_NAME "=";
  g_autoptr (GString) text = g_string_new (NULL);
  char buffer[8192];
  char path[64];
  gssize n;
  int fd;

  g_snprintf (path, sizeof path, "/proc/%d/environ", pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, n);
  close (fd);

  for (gsize i = 0; i < text->len; i += strlen (text->str + i) + 1)
    {
      if (g_str_has_prefix (text->str + i, name))
        return g_strdup (text->str + i);
    }

  return NULL;
}

static gboolean
has_ended (const ParallelProcess *process)
{
  return process->state == 'Z' || process->state == 'X';
}

static int
compare_start (gconstpointer a,
               gconstpointer b)
{
  const ParallelProcess *left = *(ParallelProcess * const *) a;
  const ParallelProcess *right = *(ParallelProcess * const *) b;

  if (left->start != right->start)
    return left->start < right->start ? -1 : 1;

  return (left->pid > right->pid) - (left->pid < right->pid);
}

/* Only what is younger than this program can descend from it. */
static ParallelProcessTable *
read_table (gboolean with_marks)
{
  ParallelProcessTable *table = g_new0 (ParallelProcessTable, 1);
  g_autoptr (GDir) proc = g_dir_open ("/proc", 0, NULL);
  ParallelProcess self = { 0 };
  const char *name;

  g_atomic_ref_count_init (&table->ref_count);
  table->begun = g_get_monotonic_time ();
  table->processes = g_ptr_array_new_with_free_func ((GDestroyNotify) process_free);
  read_stat (getpid (), &self);
  g_free (self.name);

  while (proc != NULL && (name = g_dir_read_name (proc)) != NULL)
    {
      ParallelProcess process = { 0 };

      if (!g_ascii_isdigit (name[0]) || !read_stat (atoi (name), &process))
        continue;
      if (process.start < self.start)
        {
          g_free (process.name);
          continue;
        }
      if (with_marks && !has_ended (&process))
        process.mark = read_mark (process.pid);
      g_ptr_array_add (table->processes, g_memdup2 (&process, sizeof process));
    }
  g_ptr_array_sort (table->processes, compare_start);

  return table;
}

ParallelProcessTable *
parallel_process_table_get (gint64 not_before)
{
  ParallelProcessTable *table;
  ParallelProcessTable *previous = NULL;

  parallel_fork_add_once (forked);

  g_mutex_lock (&mutex);
  if (latest == NULL || latest->begun < not_before)
    {
      previous = latest;
      latest = read_table (TRUE);
    }
  table = parallel_process_table_ref (latest);
  g_mutex_unlock (&mutex);

  if (previous != NULL)
    parallel_process_table_unref (previous);
  return table;
}

ParallelProcessTable *
parallel_process_table_glance (void)
{
  return read_table (FALSE);
}

ParallelProcessTable *
parallel_process_table_ref (ParallelProcessTable *table)
{
  g_atomic_ref_count_inc (&table->ref_count);

  return table;
}

void
parallel_process_table_unref (ParallelProcessTable *table)
{
  if (!g_atomic_ref_count_dec (&table->ref_count))
    return;

  g_ptr_array_unref (table->processes);
  g_free (table);
}

/* ---- the processes of a step ---- */

/* A mark is the value of the variable for the step, and for all within it the beginning. */
static gboolean
has_mark (const ParallelProcess *process,
          const char            *mark)
{
  gsize length = strlen (mark);

  return process->mark != NULL && strncmp (process->mark, mark, length) == 0 &&
         (process->mark[length] == '\0' || process->mark[length] == ':');
}

static gboolean
is_known (const ParallelProcess *process,
          GHashTable            *known)
{
  gpointer start;

  return known != NULL
         && g_hash_table_lookup_extended (known, GINT_TO_POINTER (process->pid), NULL, &start)
         && GPOINTER_TO_SIZE (start) == (gsize) process->start;
}

GPtrArray *
parallel_process_table_find (ParallelProcessTable *table,
                             const ParallelTree   *tree,
                             GHashTable           *known)
{
  GPtrArray *found = g_ptr_array_new ();
  g_autoptr (GHashTable) pids = g_hash_table_new (NULL, NULL);

  /* In the order of their starts, so that each comes after its parent: one pass is enough, but for
   * two of the same tick, whose order is that of their numbers. */
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < table->processes->len; i++)
      {
        ParallelProcess *process = g_ptr_array_index (table->processes, i);

        if (g_hash_table_contains (pids, GINT_TO_POINTER (process->pid)))
          continue;
        if (process->pid != tree->pid && process->group != tree->pid &&
            !has_mark (process, tree->mark) && !is_known (process, known) &&
            !g_hash_table_contains (pids, GINT_TO_POINTER (process->parent)))
          continue;

        g_hash_table_add (pids, GINT_TO_POINTER (process->pid));
        if (known != NULL)
          g_hash_table_insert (known, GINT_TO_POINTER (process->pid), GSIZE_TO_POINTER (process->start));
        if (!has_ended (process))
          g_ptr_array_add (found, process);
      }

  return found;
}

void
parallel_process_kill (const ParallelProcess *process,
                       int                    signum)
{
  int fd = (int) syscall (SYS_pidfd_open, process->pid, 0);
  ParallelProcess now = { 0 };

  /* Whatever the number stands for now, the descriptor stands for the same until it is closed. */
  if (read_stat (process->pid, &now) && now.start == process->start)
    {
      if (fd < 0 || (syscall (SYS_pidfd_send_signal, fd, signum, NULL, 0) != 0 && errno == ENOSYS))
        kill (process->pid, signum);
    }
  g_free (now.name);

  if (fd >= 0)
    close (fd);
}
