/* remote-support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "remote-support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static GHashTable *functions;   /* of GTestFunc, by path */

/* ---- processes ---- */

/* NUL-terminated pieces, or NULL. */
static char *
read_proc (const char *pid,
           const char *name,
           gsize      *size)
{
  g_autofree char *path = g_build_filename ("/proc", pid, name, NULL);
  char *text = NULL;

  return g_file_get_contents (path, &text, size, NULL) ? text : NULL;
}

/* By the folder of this program's tests, which is in the environment of all that it starts. */
static gboolean
is_ours (const char *pid)
{
  gsize size = 0;
  g_autofree char *text = NULL;
  g_autofree char *entry = g_strdup_printf ("PARALLEL_TEST_FOLDER=%s", g_getenv ("PARALLEL_TEST_FOLDER"));

  if (!g_ascii_isdigit (pid[0]) || atoi (pid) == getpid ())
    return FALSE;
  text = read_proc (pid, "environ", &size);
  return text != NULL && memmem (text, size, entry, strlen (entry) + 1) != NULL && test_process_runs (atoi (pid));
}

/* "parallel-glib-exec 3g …", which is this program's once, not the test's. */
static gboolean
is_guardian (const char *pid)
{
  gsize size = 0;
  g_autofree char *text = read_proc (pid, "cmdline", &size);
  const char *mode = text != NULL ? text + strlen (text) + 1 : NULL;

  return mode != NULL && mode < text + size && strstr (text, "parallel-glib-exec") != NULL && strchr (mode, 'g') != NULL;
}

/* Our own guardian is our child or, as it was started by way of one that has ended, nobody's. */
static gboolean
is_own_guardian (const char *pid)
{
  gsize size = 0;
  g_autofree char *text = read_proc (pid, "cmdline", &size);
  const char *mode = text != NULL ? text + strlen (text) + 1 : NULL;

  return is_guardian (pid) && atoi (mode + strlen (mode) + 1) == getpid ();
}

static gboolean
is_agent (const char *pid,
          const char *role)
{
  gsize size = 0;
  g_autofree char *text = read_proc (pid, "cmdline", &size);

  return text != NULL && strlen (text) + 1 < size && g_str_has_suffix (text, "parallel-glib-agent") &&
         g_str_equal (text + strlen (text) + 1, role);
}

/* Counts those of @role, or all; gives one of them. */
static guint
count (const char *role,
       int        *found)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc", 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (folder)) != NULL)
    if (is_ours (name) && (role != NULL ? is_agent (name, role) : !is_own_guardian (name)))
      {
        *found = atoi (name);
        n++;
      }

  return n;
}

guint
remote_count (void)
{
  int found;

  return count (NULL, &found);
}

guint
remote_count_agents (const char *role)
{
  int found;

  return count (role, &found);
}

int
remote_await_agent (const char *role)
{
  int found = 0;

  test_wait_until (count (role, &found) == 1);
  return found;
}

int
remote_find_child (int         parent,
                   const char *role)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *text = g_ascii_isdigit (name[0]) ? read_proc (name, "stat", NULL) : NULL;

      if (text != NULL && atoi (strrchr (text, ')') + 4) == parent && is_agent (name, role))
        return atoi (name);
    }

  return 0;
}

double
remote_get_time (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree char *text = test_read_file (path);
  unsigned long user = 0;
  unsigned long kernel = 0;

  g_assert_cmpint (sscanf (strrchr (text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel),
                   ==, 2);
  return (double) (user + kernel) / sysconf (_SC_CLK_TCK);
}

gsize
remote_get_memory (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", pid);
  g_autofree char *text = test_read_file (path);
  const char *line = strstr (text, "VmHWM:");

  g_assert_nonnull (line);
  return g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) * 1024;
}

int
remote_await_other (const char *path,
                    int         before)
{
  int number = before;

  test_wait_until ((number = test_await_number (path)) != before);
  return number;
}

/* ---- tests ---- */

static void
run_test (void)
{
  GTestFunc function = g_hash_table_lookup (functions, g_test_get_path ());

  function ();
  test_wait_until (remote_count () == 0);
}

void
remote_add (const char *path,
            GTestFunc   function)
{
  if (functions == NULL)
    functions = g_hash_table_new (g_str_hash, g_str_equal);
  g_hash_table_insert (functions, (gpointer) path, function);
  test_add (path, run_test);
}

/* ---- what runs ---- */

ParallelLauncher *
remote_launcher_new (const char *argv,
                     ...)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) all = NULL;
  va_list args;

  va_start (args, argv);
  for (; argv != NULL; argv = va_arg (args, const char *))
    g_strv_builder_add (builder, argv);
  va_end (args);
  all = g_strv_builder_end (builder);

  return parallel_launcher_new_prefix ((const char * const *) all);
}

ParallelLauncher *
remote_launcher (void)
{
  return remote_launcher_new ("env", NULL);
}

ParallelTask *
remote_set (ParallelTask     *task,
            ParallelLauncher *launcher)
{
  if (PARALLEL_IS_COMMAND_TASK (task))
    parallel_command_task_set_launcher (PARALLEL_COMMAND_TASK (task), launcher);
  else
    parallel_worker_task_set_launcher (PARALLEL_WORKER_TASK (task), launcher);
  g_object_unref (launcher);

  return task;
}

ParallelTask *
remote_shell (const char *format,
              ...)
{
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);

  return remote_set (parallel_command_task_new_shell (line), remote_launcher ());
}

ParallelStep *
remote_run (ParallelTask *task,
            const char   *input)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  ParallelStep *step = input != NULL ? parallel_step_new_string (task, input) : parallel_step_new (task, NULL);

  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, NULL);

  return step;
}

void
remote_assert_matches (ParallelStep *step,
                       const char   *pattern)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);

  g_assert_nonnull (error);
  if (!g_pattern_match_simple (pattern, error->message))
    g_error ("“%s” is not “%s”", error->message, pattern);
}
