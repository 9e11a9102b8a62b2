/* programs.c: programs that do nothing, two at a time: the library beside the least that starts a program.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "support.h"

#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static char *true_argv[] = { "/bin/true", NULL };

static ParallelTask *
true_task (void)
{
  return parallel_command_task_new ((const char * const *) true_argv);
}

static void
put_all (ParallelBackgroundTaskRunner *runner,
         guint                         n)
{
  for (guint i = 0; i < n; i++)
    if (!parallel_background_task_runner_put (runner, NULL, NULL))
      g_error ("The queue took no input");
}

static void
run_ours (guint n)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = bench_runner (true_task ());
  double start = bench_now ();

  put_all (runner, n);
  bench_wait (runner);
  if (parallel_background_task_runner_get_n_succeeded (runner) != n)
    g_error ("Not all steps have succeeded");
  bench_print (bench_now () - start);
}

static void
run_spawn (guint n)
{
  double start = bench_now ();
  guint n_running = 0;

  for (guint i = 0; i < n || n_running > 0;)
    {
      int status;
      pid_t pid;

      if (i < n && n_running < 2)
        {
          if (posix_spawn (&pid, true_argv[0], NULL, NULL, true_argv, environ) != 0)
            g_error ("posix_spawn() has failed");
          i++;
          n_running++;
          continue;
        }
      if (wait (&status) < 0 || status != 0)
        g_error ("A program has failed");
      n_running--;
    }
  bench_print (bench_now () - start);
}

/* What it costs the thread that wants a program to be started: the 99th percentile. */
static void
run_start (guint n)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = bench_runner (true_task ());
  g_autofree double *times = g_new (double, n);

  for (guint i = 0; i < n; i++)
    {
      double start = bench_now ();

      put_all (runner, 1);
      times[i] = bench_now () - start;
      while (parallel_background_task_runner_get_n_succeeded (runner) <= i)
        g_usleep (100);
    }
  bench_wait (runner);
  bench_print_percentile (times, n, 0.99);
}

static void
run_subprocess (guint n)
{
  g_autofree double *times = g_new (double, n);

  for (guint i = 0; i < n; i++)
    {
      double start = bench_now ();
      g_autoptr (GSubprocess) subprocess =
        g_subprocess_newv ((const char * const *) true_argv, G_SUBPROCESS_FLAGS_NONE, NULL);

      times[i] = bench_now () - start;
      if (!g_subprocess_wait_check (subprocess, NULL, NULL))
        g_error ("A program has failed");
    }
  bench_print_percentile (times, n, 0.99);
}

int
main (int    argc,
      char **argv)
{
  static const BenchModes modes[] = {
    { "ours", run_ours },
    { "spawn", run_spawn },
    { "start", run_start },
    { "subprocess", run_subprocess },
    { NULL, NULL },
  };

  return bench_main (argc, argv, modes);
}
