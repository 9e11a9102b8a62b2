/* memory.c: how much memory an input takes while it waits, and a step that is kept after its end. In bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "support.h"

#include <malloc.h>

static gboolean
succeed (ParallelStep  *step,
         GCancellable  *cancellable,
         gpointer       user_data,
         GError       **error)
{
  return TRUE;
}

static double
in_use (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

static void
run_queued (guint n)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    bench_runner (parallel_function_task_new (succeed, NULL, NULL));
  double before;
  double after;

  parallel_background_task_runner_pause (runner);
  bench_put_numbers (runner, 1);
  before = in_use ();
  bench_put_numbers (runner, n);
  after = in_use ();
  parallel_background_task_runner_resume (runner);
  bench_wait (runner);
  bench_print ((after - before) / n);
}

static void
run_finished (guint n)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    bench_runner (parallel_function_task_new (succeed, NULL, NULL));
  double before;

  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_ALL);
  before = in_use ();
  bench_put_numbers (runner, n);
  bench_wait (runner);
  bench_print ((in_use () - before) / n);
}

int
main (int    argc,
      char **argv)
{
  static const BenchModes modes[] = {
    { "queued", run_queued },
    { "finished", run_finished },
    { NULL, NULL },
  };

  return bench_main (argc, argv, modes);
}
