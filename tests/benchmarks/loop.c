/* loop.c: what the main loop of an application feels: how long it stands still, and how soon it hears of output.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "support.h"

#include <string.h>
#include <unistd.h>

typedef struct
{
  GMainLoop *loop;
  GArray    *gaps;   /* of double, in seconds */
  double     last;
} Watch;

/* The loop has nothing to do but this and the runner, so the time from one call to the next is what the runner took. */
static gboolean
idle_cb (gpointer user_data)
{
  Watch *watch = user_data;
  double now = bench_now ();
  double gap = now - watch->last;

  g_array_append_val (watch->gaps, gap);
  watch->last = now;
  return G_SOURCE_CONTINUE;
}

static void
waited_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  Watch *watch = user_data;

  if (!parallel_background_task_runner_wait_finish (PARALLEL_BACKGROUND_TASK_RUNNER (object), result, NULL))
    g_error ("A step has failed");
  g_main_loop_quit (watch->loop);
}

static void
ignore_cb (ParallelBackgroundTaskRunner *runner,
           ParallelStep                 *step,
           gpointer                      user_data)
{
}

static void
run_stall (ParallelTask *task,
           guint         n,
           double        part)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = bench_runner (task);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GArray) gaps = g_array_new (FALSE, FALSE, sizeof (double));
  Watch watch = { loop, gaps, 0 };
  guint idle;

  g_signal_connect (runner, "step-finished", G_CALLBACK (ignore_cb), NULL);
  for (guint i = 0; i < n; i++)
    parallel_background_task_runner_put (runner, NULL, NULL);
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait_async (runner, NULL, waited_cb, &watch);

  watch.last = bench_now ();
  idle = g_idle_add (idle_cb, &watch);
  g_main_loop_run (loop);
  g_source_remove (idle);
  if (parallel_background_task_runner_get_n_succeeded (runner) != n)
    g_error ("Not all steps have succeeded");
  bench_print_percentile ((double *) gaps->data, gaps->len, part);
}

static ParallelTask *
command_task (void)
{
  const char *argv[] = { "/bin/true", NULL };

  return parallel_command_task_new (argv);
}

static gboolean
succeed (ParallelStep  *step,
         GCancellable  *cancellable,
         gpointer       user_data,
         GError       **error)
{
  return TRUE;
}

static void
run_commands (guint n)
{
  run_stall (command_task (), n, 0.999);
}

static void
run_commands_longest (guint n)
{
  run_stall (command_task (), n, 1.0);
}

static void
run_functions (guint n)
{
  run_stall (parallel_function_task_new (succeed, NULL, NULL), n, 0.999);
}

static void
run_functions_longest (guint n)
{
  run_stall (parallel_function_task_new (succeed, NULL, NULL), n, 1.0);
}

/* ---- the time from a write of the first unfinished step to its appearance ---- */

typedef struct
{
  int     fds[2];
  double *times;
  guint   n;
} Latency;

static gpointer
read_thread (gpointer data)
{
  Latency *latency = data;
  char line[64];

  for (guint i = 0; i < latency->n; i++)
    {
      gsize length = 0;

      while (length == 0 || line[length - 1] != '\n')
        if (read (latency->fds[0], line + length++, 1) != 1)
          g_error ("The output has ended");
      line[length - 1] = '\0';
      latency->times[i] = bench_now () - g_ascii_strtod (line, NULL);
    }
  return NULL;
}

/* The step writes the time, which is that of CLOCK_MONOTONIC. */
static gboolean
write_times (ParallelStep  *step,
             GCancellable  *cancellable,
             gpointer       user_data,
             GError       **error)
{
  guint n = GPOINTER_TO_UINT (user_data);

  for (guint i = 0; i < n; i++)
    {
      char line[64];

      g_usleep (5000);
      g_snprintf (line, sizeof line, "%.6f\n", bench_now ());
      if (!parallel_step_write_text (step, line, error))
        return FALSE;
    }
  return TRUE;
}

static void
run_latency (guint n)
{
  ParallelTask *task = parallel_function_task_new (write_times, GUINT_TO_POINTER (n), NULL);
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (task);
  g_autofree double *times = g_new (double, n);
  Latency latency = { .times = times, .n = n };
  GThread *thread;

  if (pipe (latency.fds) != 0)
    g_error ("No pipe");
  parallel_background_task_runner_set_sink_fds (runner, latency.fds[1], 2);
  thread = g_thread_new ("reader", read_thread, &latency);
  parallel_background_task_runner_put (runner, NULL, NULL);
  bench_wait (runner);
  g_thread_join (thread);
  bench_print_percentile (times, n, 0.5);
}

/* ---- nothing happens ---- */

/* For strace: one program that sleeps, and nothing to do for so many seconds. */
static void
run_idle (guint n)
{
  g_autofree char *seconds = g_strdup_printf ("%u", n);
  const char *argv[] = { "/bin/sleep", seconds, NULL };
  g_autoptr (ParallelBackgroundTaskRunner) runner = bench_runner (parallel_command_task_new (argv));

  parallel_background_task_runner_put (runner, NULL, NULL);
  bench_wait (runner);
  bench_print (n);
}

int
main (int    argc,
      char **argv)
{
  static const BenchModes modes[] = {
    { "commands", run_commands },
    { "commands-longest", run_commands_longest },
    { "functions", run_functions },
    { "functions-longest", run_functions_longest },
    { "latency", run_latency },
    { "idle", run_idle },
    { NULL, NULL },
  };

  return bench_main (argc, argv, modes);
}
