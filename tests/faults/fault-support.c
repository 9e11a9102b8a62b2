/* fault-support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fault-support.h"

#include <string.h>
#include <unistd.h>

#define MAX_LINES 20   /* in the message of an aggregated error */

gboolean
fault_is_long (void)
{
  return g_strcmp0 (g_getenv ("PARALLEL_TEST_LONG"), "1") == 0;
}

guint
fault_count (guint quick,
             guint many)
{
  guint n = fault_is_long () ? many : quick;

  if (test_time_factor () > 1)
    n = MAX (n / 10, 1);
  else if (test_has_sanitizer ())
    n = MAX (n / 3, 1);
  return n;
}

void
fault_allow_seconds (guint seconds)
{
  if (fault_is_long ())
    alarm ((guint) (seconds * test_time_factor ()));
}

gboolean
fault_step_is_over (ParallelStep *step)
{
  ParallelStepState state = parallel_step_get_state (step);

  return state != PARALLEL_STEP_STATE_PENDING && state != PARALLEL_STEP_STATE_RUNNING;
}

gboolean
fault_all_over (GPtrArray *steps)
{
  for (guint i = 0; i < steps->len; i++)
    if (!fault_step_is_over (g_ptr_array_index (steps, i)))
      return FALSE;
  return TRUE;
}

guint
fault_count_state (GPtrArray         *steps,
                   ParallelStepState  state)
{
  guint n = 0;

  for (guint i = 0; i < steps->len; i++)
    if (parallel_step_get_state (g_ptr_array_index (steps, i)) == state)
      n++;
  return n;
}

void
fault_assert_adds_up (ParallelBackgroundTaskRunner *runner,
                      GPtrArray                    *steps)
{
  guint n_succeeded = fault_count_state (steps, PARALLEL_STEP_STATE_SUCCEEDED);
  guint n_failed = fault_count_state (steps, PARALLEL_STEP_STATE_FAILED);
  guint n_halted = fault_count_state (steps, PARALLEL_STEP_STATE_HALTED);
  guint n_skipped = fault_count_state (steps, PARALLEL_STEP_STATE_SKIPPED);
  g_autoptr (GPtrArray) skipped = parallel_background_task_runner_dup_skipped (runner);

  g_assert_cmpuint (n_succeeded + n_failed + n_halted + n_skipped, ==, steps->len);
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_running (runner), ==, 0);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, n_succeeded);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, n_failed);
  g_assert_cmpuint (skipped->len, ==, n_skipped);
}

void
fault_assert_aggregate (const GError *error,
                        guint         n_failed,
                        guint         n_steps)
{
  g_autofree char *head = g_strdup_printf ("%u of %u steps failed:\n", n_failed, n_steps);
  g_auto (GStrv) lines = NULL;

  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_BACKGROUND_FAILURE);
  g_assert_true (g_str_has_prefix (error->message, head));
  lines = g_strsplit (error->message, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 1 + MIN (n_failed, MAX_LINES + 1));
  if (n_failed > MAX_LINES)
    {
      g_autofree char *rest = g_strdup_printf ("… and %u more", n_failed - MAX_LINES);

      g_assert_cmpstr (lines[MAX_LINES + 1], ==, rest);
    }
}

ParallelStep *
fault_put_command (ParallelBackgroundTaskRunner *runner,
                   const char * const           *argv)
{
  ParallelStep *step = parallel_step_new (parallel_command_task_new (argv), NULL);

  test_put_step (runner, step);
  return step;
}

gboolean
fault_write_name (ParallelStep  *step,
                  GCancellable  *cancellable,
                  gpointer       user_data,
                  GError       **error)
{
  g_autofree char *name = parallel_step_dup_name (step);
  g_autofree char *line = g_strconcat (name, "\n", NULL);

  return parallel_step_write_text (step, line, error);
}

void
fault_sleep_at_random (GRand *rand,
                       guint  most)
{
  g_usleep ((gulong) g_rand_int_range (rand, 0, (gint32) most));
}
