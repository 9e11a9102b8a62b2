/* test-halt.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdlib.h>
#include <string.h>

#include "fault-support.h"

/* Halts and cancellations at any moment, from any thread. */

#define N_STEPS 1000

typedef enum
{
  BY_HALT,
  BY_CANCELLABLE,
  N_WAYS
} Way;

typedef struct
{
  ParallelBackgroundTaskRunner *runner;
  GCancellable                 *cancellable;
  Way                           way;
  GRand                        *rand;
  gint                         *n_started;
  gint                          after;      /* so many functions have been called */
  GPtrArray                    *steps;
} Halter;

static gboolean
count_and_write (ParallelStep  *step,
                 GCancellable  *cancellable,
                 gpointer       user_data,
                 GError       **error)
{
  g_atomic_int_inc ((gint *) user_data);
  return fault_write_name (step, cancellable, NULL, error);
}

static gpointer
halter_thread (gpointer data)
{
  Halter *halter = data;

  test_wait_until (g_atomic_int_get (halter->n_started) >= halter->after);
  fault_sleep_at_random (halter->rand, 2000);
  if (halter->way == BY_HALT)
    parallel_background_task_runner_halt (halter->runner, PARALLEL_HALT_NOW);
  else
    g_cancellable_cancel (halter->cancellable);
  return NULL;
}

/* Functions and commands that put out their own number, in a random mix, all queued before the first starts. */
static GPtrArray *
put_mix (ParallelBackgroundTaskRunner *runner,
         GRand                        *rand,
         guint                         n,
         gint                         *n_started)
{
  GPtrArray *steps = test_steps_new ();

  parallel_background_task_runner_pause (runner);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *name = g_strdup_printf ("%u", i);
      const char *argv[] = { "echo", name, NULL };
      ParallelStep *step;

      if (g_rand_int_range (rand, 0, 4) == 0)
        step = parallel_step_new (parallel_command_task_new (argv), NULL);
      else
        step = test_function_step (count_and_write, n_started);
      parallel_step_set_name (step, name);
      test_put_step (runner, step);
      g_ptr_array_add (steps, step);
    }
  parallel_background_task_runner_close (runner);
  return steps;
}

/* All that succeeded is printed, once and whole; of the others nothing, but in queue order what the first one had
 * already put out live. */
static void
assert_printed (GPtrArray          *steps,
                const char         *printed,
                ParallelOutputMode  mode)
{
  g_autofree guint *times = g_new0 (guint, steps->len);
  g_auto (GStrv) lines = g_strsplit (printed, "\n", -1);
  guint n_lines = g_strv_length (lines);
  guint n_halted = 0;
  int last = -1;

  g_assert_cmpstr (lines[n_lines - 1], ==, "");
  for (guint i = 0; i + 1 < n_lines; i++)
    {
      int index = atoi (lines[i]);

      times[index]++;
      if (mode == PARALLEL_OUTPUT_MODE_ORDERED)
        g_assert_cmpint (index, >, last);
      last = index;
    }
  for (guint i = 0; i < steps->len; i++)
    {
      ParallelStepState state = parallel_step_get_state (g_ptr_array_index (steps, i));

      if (state == PARALLEL_STEP_STATE_HALTED && times[i] == 1)
        n_halted++;
      else
        g_assert_cmpuint (times[i], ==, state == PARALLEL_STEP_STATE_SUCCEEDED ? 1 : 0);
    }
  g_assert_cmpuint (n_halted, <=, mode == PARALLEL_OUTPUT_MODE_ORDERED ? 1 : 0);
}

static void
halt_once (GRand              *rand,
           Way                 way,
           ParallelOutputMode  mode)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) steps = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *printed = NULL;
  gint n_started = 0;
  Halter halter = { runner, cancellable, way, rand, &n_started };
  GThread *thread;

  parallel_background_task_runner_set_output_mode (runner, mode);
  parallel_background_task_runner_set_max_parallel (runner, (guint) g_rand_int_range (rand, 1, 17));
  parallel_background_task_runner_set_cancellable (runner, cancellable);
  steps = put_mix (runner, rand, N_STEPS, &n_started);
  halter.after = g_rand_int_range (rand, 0, N_STEPS * 7 / 10);
  thread = g_thread_new ("halter", halter_thread, &halter);
  parallel_background_task_runner_resume (runner);
  if (parallel_background_task_runner_wait (runner, NULL, &error))
    g_assert_cmpuint (fault_count_state (steps, PARALLEL_STEP_STATE_SUCCEEDED), ==, N_STEPS);
  else if (way == BY_HALT)
    g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  else
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  fault_assert_adds_up (runner, steps);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, 0);
  printed = test_captured (sink);
  assert_printed (steps, printed, mode);
  g_assert_finalize_object (runner);
}

static GRand *
test_rand (void)
{
  guint32 seed = (guint32) g_test_rand_int ();

  g_test_message ("random seed of this test: %u", seed);
  return g_rand_new_with_seed (seed);
}

static void
test_any_moment (void)
{
  g_autoptr (GRand) rand = test_rand ();
  guint n = fault_count (8, 200);

  g_test_summary ("A run of 1000 steps that is halted at any moment: each step has one end, all adds up, and nothing "
                  "is printed of a step that was stopped");
  fault_allow_seconds (1200);
  for (guint i = 0; i < n; i++)
    halt_once (rand, i % N_WAYS,
               (i / N_WAYS) % 2 == 0 ? PARALLEL_OUTPUT_MODE_FINISHED : PARALLEL_OUTPUT_MODE_ORDERED);
}

/* Cancelling the waiting, and single steps */

static gpointer
cancel_wait_thread (gpointer data)
{
  Halter *halter = data;

  fault_sleep_at_random (halter->rand, 20000);
  g_cancellable_cancel (halter->cancellable);
  return NULL;
}

static void
test_wait_cancelled (void)
{
  g_autoptr (GRand) rand = test_rand ();
  guint n = fault_count (40, 200);

  g_test_summary ("A wait that is cancelled at any moment from another thread leaves the run as it is");
  fault_allow_seconds (600);
  for (guint i = 0; i < n; i++)
    {
      ParallelBackgroundTaskRunner *runner = test_silent_runner ();
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GPtrArray) steps = NULL;
      g_autoptr (GError) error = NULL;
      gint n_started = 0;
      Halter halter = { runner, cancellable, BY_CANCELLABLE, rand };
      GThread *thread;

      steps = put_mix (runner, rand, 60, &n_started);
      parallel_background_task_runner_resume (runner);
      thread = g_thread_new ("canceller", cancel_wait_thread, &halter);
      if (!parallel_background_task_runner_wait (runner, cancellable, &error))
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_thread_join (thread);
      test_close_and_wait (runner);
      fault_assert_adds_up (runner, steps);
      g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, 60);
      g_assert_finalize_object (runner);
    }
}

static gpointer
cancel_steps_thread (gpointer data)
{
  Halter *halter = data;

  for (guint i = 0; i < halter->steps->len / 2; i++)
    {
      gint32 index = g_rand_int_range (halter->rand, 0, (gint32) halter->steps->len);

      fault_sleep_at_random (halter->rand, 300);
      parallel_step_cancel (g_ptr_array_index (halter->steps, index));
    }
  return NULL;
}

static void
test_steps_cancelled (void)
{
  g_autoptr (GRand) rand = test_rand ();
  guint n = fault_count (10, 50);

  g_test_summary ("Steps that another thread cancels at any moment fail or have succeeded, and take no other along");
  fault_allow_seconds (600);
  for (guint i = 0; i < n; i++)
    {
      ParallelBackgroundTaskRunner *runner = test_silent_runner ();
      g_autoptr (GPtrArray) steps = NULL;
      g_autoptr (GError) error = NULL;
      gint n_started = 0;
      Halter halter = { runner, NULL, BY_CANCELLABLE, rand };
      GThread *thread;
      guint n_failed;

      steps = halter.steps = put_mix (runner, rand, 200, &n_started);
      parallel_background_task_runner_resume (runner);
      thread = g_thread_new ("canceller", cancel_steps_thread, &halter);
      parallel_background_task_runner_wait (runner, NULL, &error);
      g_thread_join (thread);
      fault_assert_adds_up (runner, steps);
      n_failed = fault_count_state (steps, PARALLEL_STEP_STATE_FAILED);
      g_assert_cmpuint (n_failed + fault_count_state (steps, PARALLEL_STEP_STATE_SUCCEEDED), ==, 200);
      g_assert_cmpint (error != NULL, ==, n_failed > 0);
      for (guint j = 0; j < steps->len; j++)
        if (parallel_step_get_state (g_ptr_array_index (steps, j)) == PARALLEL_STEP_STATE_FAILED)
          test_assert_step_error (g_ptr_array_index (steps, j), PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
      g_assert_finalize_object (runner);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/halt/any-moment", test_any_moment);
  test_add ("/faults/halt/wait-cancelled", test_wait_cancelled);
  test_add ("/faults/halt/steps-cancelled", test_steps_cancelled);
  return test_run ();
}
