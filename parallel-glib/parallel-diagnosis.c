/* parallel-diagnosis.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-diagnosis.h"

#include <string.h>
#include <unistd.h>

#include "parallel-aside.h"
#include "parallel-fd.h"
#include "parallel-fork.h"
#include "parallel-process-look.h"

#define LIMIT               (2 * G_USEC_PER_SEC)

/* As the kernel cuts it. */
#define HELPER_NAME         "parallel-glib-e"

#define MAX_PROCESSES       50
#define MAX_DEPTH           10

/* A debugger is given so much of the time for all the processes it looks at. */
#define MAX_DEBUGGED        5
#define DEBUG_TIME          (3 * G_USEC_PER_SEC / 2)
#define MAX_BACKTRACE       8000        /* bytes for each process */

/* A process that can show its own stacks begins to in this time, and is done when it has been silent for this one:
 * milliseconds. */
#define STACKS_BEGIN        500
#define STACKS_SILENCE      50
#define MAX_STACKS          (64 * 1024)

typedef struct
{
  /* Constant. */
  ParallelWhereabouts  where;           /* its descriptor is a duplicate, or -1 */
  gint64               started;
  gboolean             backtraces;
  ParallelDiagnosed    done;
  gpointer             user_data;
  gint64               begun;           /* monotonic time */

  /* Guarded by mutex: the engine takes what there is when the time is over. */
  GMutex               mutex;
  GString             *text;
} Diagnosis;

static void
diagnosis_free (gpointer data)
{
  Diagnosis *self = data;

  g_free (self->where.mark);
  parallel_fd_clear (&self->where.stack_fd);
  g_string_free (self->text, TRUE);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

/* Lines that are indented; without a newline at the end. */
static void
add (Diagnosis  *self,
     const char *lines)
{
  g_mutex_lock (&self->mutex);
  if (self->text->len > 0)
    g_string_append_c (self->text, '\n');
  g_string_append (self->text, lines);
  g_mutex_unlock (&self->mutex);
}

/* ---- processes ---- */

/* How many of its ancestors are among @processes, which has parents before their children. */
static guint
get_depth (GPtrArray             *processes,
           const ParallelProcess *process)
{
  guint depth = 0;
  int parent = process->parent;

  for (guint i = processes->len; i > 0 && depth < MAX_DEPTH; i--)
    {
      const ParallelProcess *other = g_ptr_array_index (processes, i - 1);

      if (other->pid == parent)
        {
          depth++;
          parent = other->parent;
        }
    }

  return depth;
}

static char *
describe_process (GPtrArray             *processes,
                  const ParallelProcess *process,
                  gboolean               brief)
{
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_append_printf (line, "%*s", 2 + 2 * (int) get_depth (processes, process), "");
  parallel_process_look (process, brief, line);

  return g_string_free (g_steal_pointer (&line), FALSE);
}

/* Each after its parent, and before the next one of the parent's age: a tree. */
static void
take_children (GPtrArray *processes,
               gboolean  *taken,
               GPtrArray *tree,
               guint      at)
{
  const ParallelProcess *parent = g_ptr_array_index (processes, at);

  g_ptr_array_add (tree, (gpointer) parent);
  taken[at] = TRUE;
  for (guint i = at + 1; i < processes->len; i++)
    {
      const ParallelProcess *process = g_ptr_array_index (processes, i);

      if (!taken[i] && process->parent == parent->pid)
        take_children (processes, taken, tree, i);
    }
}

/* A supervising helper is nobody's concern. */
static gboolean
is_helper (const ParallelProcess *process,
           const ParallelTree    *tree)
{
  return process->pid == tree->pid && strcmp (process->name, HELPER_NAME) == 0;
}

/* What is a child of something else begins a tree of its own. */
static GPtrArray *
make_tree (GPtrArray          *processes,
           const ParallelTree *which)
{
  GPtrArray *tree = g_ptr_array_new ();
  g_autofree gboolean *taken = g_new0 (gboolean, MAX (processes->len, 1));

  for (guint i = 0; i < processes->len; i++)
    {
      if (is_helper (g_ptr_array_index (processes, i), which))
        taken[i] = TRUE;
      if (!taken[i])
        take_children (processes, taken, tree, i);
    }

  return tree;
}

/* ---- debuggers ---- */

static char *
run_debugger (const ParallelProcess *process,
              gint64                 time_left)
{
  g_autofree char *eu_stack = g_find_program_in_path ("eu-stack");
  g_autofree char *gdb = eu_stack == NULL ? g_find_program_in_path ("gdb") : NULL;
  g_autofree char *pid = g_strdup_printf ("%d", process->pid);
  g_autofree char *seconds = g_strdup_printf ("%.2f", (double) time_left / G_USEC_PER_SEC);
  const char *with_eu_stack[] = { "timeout", "-s", "KILL", seconds, eu_stack, "-p", pid, NULL };
  const char *with_gdb[] = { "timeout", "-s", "KILL", seconds, gdb, "-nx", "-batch", "-p", pid,
                             "-ex", "thread apply all backtrace", NULL };
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autoptr (GBytes) output = NULL;
  gsize size;
  const char *data;

  if (eu_stack == NULL && gdb == NULL)
    return g_strdup ("no debugger is installed: eu-stack (elfutils) or gdb");

  subprocess = g_subprocess_newv (eu_stack != NULL ? with_eu_stack : with_gdb,
                                  G_SUBPROCESS_FLAGS_INHERIT_FDS | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL);
  if (subprocess == NULL || !g_subprocess_communicate (subprocess, NULL, NULL, &output, NULL, NULL))
    return NULL;

  data = g_bytes_get_data (output, &size);
  if (size == 0)
    return NULL;
  return g_utf8_make_valid (data, (gssize) MIN (size, MAX_BACKTRACE));
}

static void
add_backtraces (Diagnosis *self,
                GPtrArray *processes)
{
  for (guint i = 0; i < MIN (processes->len, MAX_DEBUGGED); i++)
    {
      const ParallelProcess *process = g_ptr_array_index (processes, i);
      gint64 time_left = self->begun + DEBUG_TIME - g_get_monotonic_time ();
      g_autofree char *backtrace = NULL;
      g_autofree char *text = NULL;

      if (time_left <= 0)
        return;
      backtrace = run_debugger (process, time_left);
      text = g_strdup_printf ("  backtrace of %d:\n%s", process->pid,
                              backtrace != NULL ? g_strchomp (backtrace) : "    none could be had");
      add (self, text);
    }
}

/* ---- what a process shows itself ---- */

static void
read_stacks (int      fd,
             GString *text)
{
  GPollFD poll_fd = { .fd = fd, .events = G_IO_IN };
  char buffer[4096];
  gssize n = 1;

  while (n > 0 && text->len < MAX_STACKS && g_poll (&poll_fd, 1, text->len == 0 ? STACKS_BEGIN : STACKS_SILENCE) > 0)
    {
      n = read (fd, buffer, sizeof buffer);
      if (n > 0)
        g_string_append_len (text, buffer, n);
    }
}

static void
add_stacks (Diagnosis             *self,
            const ParallelProcess *process)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *valid = NULL;
  g_autoptr (GString) indented = g_string_new (NULL);

  parallel_process_kill (process, self->where.stack_signal);
  read_stacks (self->where.stack_fd, text);
  if (text->len == 0)
    return;

  valid = g_utf8_make_valid (text->str, text->len);
  g_string_assign (indented, g_strchomp (valid));
  g_string_replace (indented, "\n", "\n    ", 0);
  g_string_prepend (indented, "    ");
  add (self, indented->str);
}

/* ---- the whole ---- */

static void
look_at_processes (Diagnosis *self)
{
  ParallelTree tree = { self->where.pid, self->where.mark };
  g_autoptr (ParallelProcessTable) table = parallel_process_table_get (self->begun);
  g_autoptr (GPtrArray) processes = parallel_process_table_find (table, &tree, NULL);
  g_autoptr (GPtrArray) sorted = make_tree (processes, &tree);

  for (guint i = 0; i < MIN (sorted->len, MAX_PROCESSES); i++)
    {
      g_autofree char *line = describe_process (sorted, g_ptr_array_index (sorted, i), FALSE);

      add (self, line);
    }
  if (sorted->len > MAX_PROCESSES)
    {
      g_autofree char *line = g_strdup_printf ("  and %u more processes", sorted->len - MAX_PROCESSES);

      add (self, line);
    }
  if (sorted->len == 0)
    add (self, "  none of its processes is left");
  for (guint i = 0; i < sorted->len && self->where.stack_fd >= 0; i++)
    {
      const ParallelProcess *process = g_ptr_array_index (sorted, i);

      if (process->pid == self->where.pid)
        add_stacks (self, process);
    }
  if (self->backtraces && parallel_fork_generation == 0)
    add_backtraces (self, sorted);
}

static void
look (gpointer data)
{
  Diagnosis *self = data;

  if (self->where.pid != 0)
    look_at_processes (self);
  else if (self->where.tid != 0)
    {
      g_autoptr (GString) line = g_string_new ("  ");

      parallel_process_look_thread (self->where.tid, self->started, line);
      add (self, line->str);
    }
  else
    {
      double age = (double) (g_get_monotonic_time () - self->started) / G_USEC_PER_SEC;
      g_autofree char *line = g_strdup_printf ("  an asynchronous operation that has not called back for "
                                               "%.1f s", age);

      add (self, line);
    }
}

static void
looked (gpointer data,
        gboolean in_time)
{
  Diagnosis *self = data;
  char *text;

  if (!in_time)
    add (self, "  (there was no time to see more)");

  g_mutex_lock (&self->mutex);
  text = g_strdup (self->text->str);
  g_mutex_unlock (&self->mutex);

  self->done (self->user_data, text);
}

void
parallel_diagnose (const ParallelWhereabouts *where,
                   gint64                     started,
                   gboolean                   backtraces,
                   ParallelDiagnosed          done,
                   gpointer                   user_data)
{
  Diagnosis *self = g_new0 (Diagnosis, 1);

  self->where = *where;
  self->where.mark = g_strdup (where->mark);
  self->where.stack_fd = where->stack_signal != 0 ? parallel_fd_duplicate (where->stack_fd) : -1;
  self->started = started;
  self->backtraces = backtraces;
  self->done = done;
  self->user_data = user_data;
  self->begun = g_get_monotonic_time ();
  self->text = g_string_new (NULL);
  g_mutex_init (&self->mutex);
  parallel_aside (look, looked, self, diagnosis_free, LIMIT);
}

char *
parallel_diagnosis_glance (const ParallelWhereabouts *where,
                           gint64                     started)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (where->pid != 0)
    {
      ParallelTree tree = { where->pid, where->mark };
      g_autoptr (ParallelProcessTable) table = parallel_process_table_glance ();
      g_autoptr (GPtrArray) processes = parallel_process_table_find (table, &tree, NULL);
      g_autoptr (GPtrArray) sorted = make_tree (processes, &tree);

      for (guint i = 0; i < MIN (sorted->len, MAX_PROCESSES); i++)
        {
          g_autofree char *line = describe_process (sorted, g_ptr_array_index (sorted, i), TRUE);

          g_string_append_printf (text, "%s%s", i > 0 ? "\n" : "", line);
        }
    }
  else if (where->tid != 0)
    {
      g_string_append (text, "  ");
      parallel_process_look_thread (where->tid, started, text);
    }

  return text->len > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}
