/* test-clocks.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <time.h>

#include "fault-support.h"
#include "inject.h"

/* Time limits are set, the clocks that can be set jump by a day either way while steps run, and nobody is stopped. */

#define DAY (24 * 3600)

static gboolean
wait_at_gate (ParallelStep  *step,
              GCancellable  *cancellable,
              gpointer       gate,
              GError       **error)
{
  return test_gate_enter_or_cancel (gate, cancellable, error);
}

static void
jump (long  seconds,
      char *fifo)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  time_t before = time (NULL);
  TestGate gate;
  ParallelStep *retried;

  test_gate_init (&gate);
  parallel_background_task_runner_set_max_parallel (runner, 3);
  parallel_background_task_runner_set_timeout (runner, 1000);
  parallel_background_task_runner_set_silence_timeout (runner, 500);
  parallel_background_task_runner_set_kill_grace (runner, 100);
  g_ptr_array_add (steps, test_put_shell (runner, "read x < '%s'", fifo));
  g_ptr_array_add (steps, test_put_function (runner, wait_at_gate, &gate));
  test_gate_await (&gate, 1);
  test_wait_until (parallel_step_get_state (g_ptr_array_index (steps, 0)) == PARALLEL_STEP_STATE_RUNNING);
  inject_shift_clocks (seconds);
  g_assert_cmpint (ABS ((gint64) time (NULL) - before), >=, DAY - 100);

  /* A step that is stopped by a clock of its own shows that the engine's clocks have gone on after the jump. */
  retried = test_shell_step ("sleep 1000");
  parallel_step_set_timeout (retried, 0.1);
  test_put_step (runner, retried);
  g_ptr_array_add (steps, retried);
  test_wait_until (fault_step_is_over (retried));
  g_ptr_array_add (steps, test_put_shell (runner, "true"));
  test_gate_open (&gate);
  test_release_fifo (fifo);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (retried, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_TIMED_OUT);
  g_assert_cmpuint (fault_count_state (steps, PARALLEL_STEP_STATE_SUCCEEDED), ==, 3);
  for (guint i = 0; i < steps->len; i++)
    {
      g_assert_cmpfloat (parallel_step_get_elapsed (g_ptr_array_index (steps, i)), >=, 0);
      g_assert_cmpfloat (parallel_step_get_elapsed (g_ptr_array_index (steps, i)), <, 1000);
    }
  g_assert_finalize_object (runner);
  inject_shift_clocks (0);
  test_gate_clear (&gate);
}

static void
test_forward (void)
{
  g_autofree char *fifo = test_fifo ("fifo");

  g_test_summary ("The clocks jump a day ahead");
  jump (DAY, fifo);
}

static void
test_back (void)
{
  g_autofree char *fifo = test_fifo ("fifo");

  g_test_summary ("The clocks jump a day back");
  jump (-DAY, fifo);
}

int
main (int    argc,
      char **argv)
{
  if (inject_shift_clocks == NULL)
    {
      g_printerr ("The library that shifts the clocks is not preloaded.\n");
      return 1;
    }
  test_init (&argc, &argv);
  test_add ("/faults/clocks/forward", test_forward);
  test_add ("/faults/clocks/back", test_back);
  return test_run ();
}
