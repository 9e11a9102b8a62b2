/* functions.c: functions that do nothing, in two threads: the library beside what GLib has.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "support.h"

/* ---- the library ---- */

static gboolean
echo (ParallelStep  *step,
      GCancellable  *cancellable,
      gpointer       user_data,
      GError       **error)
{
  parallel_step_set_result (step, parallel_step_get_input (step));
  return TRUE;
}

static void
check_results (ParallelBackgroundTaskRunner *runner,
               guint                         n)
{
  g_autoptr (GPtrArray) steps = parallel_background_task_runner_dup_steps (runner);

  if (steps->len != n)
    g_error ("%u steps and not %u", steps->len, n);
  for (guint i = 0; i < n; i++)
    if (g_value_get_int (parallel_step_get_result (steps->pdata[i])) != (int) i)
      g_error ("Step %u has another result", i);
}

/* The results are kept in the order of the inputs. */
static void
run_kept (guint n)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    bench_runner (parallel_function_task_new (echo, NULL, NULL));
  double start;

  parallel_background_task_runner_set_keep_steps (runner, PARALLEL_KEEP_STEPS_ALL);
  start = bench_now ();
  bench_put_numbers (runner, n);
  bench_wait (runner);
  start = bench_now () - start;
  check_results (runner, n);
  bench_print (start);
}

/* Nothing is kept: for how it grows. */
static void
run_plain (guint n)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    bench_runner (parallel_function_task_new (echo, NULL, NULL));
  double start = bench_now ();

  bench_put_numbers (runner, n);
  bench_wait (runner);
  if (parallel_background_task_runner_get_n_succeeded (runner) != n)
    g_error ("Not all steps have succeeded");
  bench_print (bench_now () - start);
}

static void
step_finished_cb (ParallelBackgroundTaskRunner *runner,
                  ParallelStep                 *step,
                  guint64                      *sum)
{
  *sum += g_value_get_int (parallel_step_get_result (step));
}

static guint64
sum_below (guint n)
{
  return (guint64) n * (n - 1) / 2;
}

static void
run_handled (guint n)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner =
    bench_runner (parallel_function_task_new (echo, NULL, NULL));
  guint64 sum = 0;
  double start = bench_now ();

  g_signal_connect (runner, "step-finished", G_CALLBACK (step_finished_cb), &sum);
  bench_put_numbers (runner, n);
  bench_wait (runner);
  if (sum != sum_below (n))
    g_error ("The handler has seen something else");
  bench_print (bench_now () - start);
}

/* ---- GTask ---- */

typedef struct
{
  guint64  sum;
  guint    n_left;
} Sum;

static void
echo_in_gtask (GTask        *task,
               gpointer      source,
               gpointer      task_data,
               GCancellable *cancellable)
{
  g_task_return_int (task, GPOINTER_TO_INT (task_data));
}

static void
gtask_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  Sum *sum = user_data;

  sum->sum += g_task_propagate_int (G_TASK (result), NULL);
  sum->n_left--;
}

/* Without a callback nothing would say that it is done, so this is also what is compared with the run without handlers. */
static void
run_gtask (guint n)
{
  Sum sum = { .n_left = n };
  double start = bench_now ();

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GTask) task = g_task_new (NULL, NULL, gtask_cb, &sum);

      g_task_set_task_data (task, GINT_TO_POINTER (i), NULL);
      g_task_run_in_thread (task, echo_in_gtask);
    }
  while (sum.n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  if (sum.sum != sum_below (n))
    g_error ("Another sum");
  bench_print (bench_now () - start);
}

/* ---- GThreadPool ---- */

static void
echo_in_pool (gpointer data,
              gpointer user_data)
{
  int *results = user_data;
  guint i = GPOINTER_TO_UINT (data) - 1;

  results[i] = i;
}

static void
run_pool (guint n)
{
  g_autofree int *results = g_new0 (int, n);
  double start = bench_now ();
  GThreadPool *pool = g_thread_pool_new (echo_in_pool, results, 2, TRUE, NULL);

  for (guint i = 0; i < n; i++)
    g_thread_pool_push (pool, GUINT_TO_POINTER (i + 1), NULL);
  g_thread_pool_free (pool, FALSE, TRUE);
  start = bench_now () - start;
  for (guint i = 0; i < n; i++)
    if (results[i] != (int) i)
      g_error ("Another result");
  bench_print (start);
}

int
main (int    argc,
      char **argv)
{
  static const BenchModes modes[] = {
    { "kept", run_kept },
    { "plain", run_plain },
    { "handled", run_handled },
    { "gtask", run_gtask },
    { "pool", run_pool },
    { NULL, NULL },
  };

  return bench_main (argc, argv, modes);
}
