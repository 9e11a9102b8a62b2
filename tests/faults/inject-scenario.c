/* inject-scenario.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "fault-support.h"
#include "inject.h"

/* A small run with all that the library can do, in which test-inject.c has something fail. Exits with
 *
 *   0  it went well, and nothing was injected: there were fewer calls
 *   1  it went well all the same
 *   2  it failed and said so
 *
 * and with a complaint for everything else. */

#define N_STEPS 7
#define LARGE "200000"

static ParallelStep *
input_step (void)
{
  ParallelTask *task = parallel_command_task_new_shell ("cat");
  g_autoptr (GBytes) bytes = g_bytes_new_static ("input\n", 6);

  parallel_command_task_set_stdin_bytes (PARALLEL_COMMAND_TASK (task), bytes);
  return parallel_step_new (task, NULL);
}

static ParallelStep *
merged_step (void)
{
  ParallelTask *task = parallel_command_task_new_shell ("echo merged >&2");

  parallel_command_task_set_merge_stderr (PARALLEL_COMMAND_TASK (task), TRUE);
  return parallel_step_new (task, NULL);
}

static GPtrArray *
make_steps (void)
{
  GPtrArray *steps = test_steps_new ();

  g_ptr_array_add (steps, test_shell_step ("echo out; echo err >&2"));
  g_ptr_array_add (steps, test_function_step (fault_write_name, NULL));
  g_ptr_array_add (steps, input_step ());
  g_ptr_array_add (steps, test_shell_step ("head -c " LARGE " /dev/zero | tr '\\0' x"));
  g_ptr_array_add (steps, merged_step ());
  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  g_ptr_array_add (steps, test_shell_step ("true"));
  g_assert_cmpuint (steps->len, ==, N_STEPS);
  for (guint i = 0; i < N_STEPS; i++)
    {
      g_autofree char *name = g_strdup_printf ("step-%u", i);

      parallel_step_set_name (g_ptr_array_index (steps, i), name);
      parallel_step_set_timeout (g_ptr_array_index (steps, i), 1000);
    }
  return steps;
}

static void
assert_all_printed (const char *out,
                    const char *err)
{
  g_autofree char *large = g_strnfill (strtoul (LARGE, NULL, 10), 'x');
  g_autofree char *expected = g_strconcat ("out\nstep-1\ninput\n", large, "merged\n", NULL);

  g_assert_cmpstr (out, ==, expected);
  g_assert_cmpstr (err, ==, "err\n");
}

/* An error has to name a step that failed, or what the system said. */
static void
assert_explains (const GError *error,
                 GPtrArray    *steps)
{
  const char *text = g_strerror (atoi (g_getenv ("INJECT_ERRNO")));
  gboolean explained = strstr (error->message, text) != NULL;

  for (guint i = 0; i < N_STEPS; i++)
    {
      g_autofree char *name = parallel_step_dup_name (g_ptr_array_index (steps, i));

      if (parallel_step_get_state (g_ptr_array_index (steps, i)) == PARALLEL_STEP_STATE_FAILED)
        explained = explained || strstr (error->message, name) != NULL;
    }
  if (!explained)
    g_error ("an error that explains nothing: %s", error->message);
}

static gboolean
run (GPtrArray *steps,
     GError   **error)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  GOutputStream *error_sink = test_capture_errors (runner);
  g_autofree char *out = NULL;
  g_autofree char *err = NULL;
  gboolean success;

  parallel_background_task_runner_set_max_parallel (runner, 2);
  /* A run that ends early takes no more. */
  parallel_background_task_runner_pause (runner);
  for (guint i = 0; i < N_STEPS; i++)
    test_put_step (runner, g_ptr_array_index (steps, i));
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_resume (runner);
  success = parallel_background_task_runner_wait (runner, NULL, error);
  fault_assert_adds_up (runner, steps);
  out = test_captured (sink);
  err = test_captured (error_sink);
  if (success)
    {
      g_assert_cmpuint (fault_count_state (steps, PARALLEL_STEP_STATE_SUCCEEDED), ==, N_STEPS);
      assert_all_printed (out, err);
    }
  g_assert_finalize_object (runner);
  return success;
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GPtrArray) steps = NULL;
  g_autoptr (GPtrArray) again = NULL;
  g_autoptr (GError) error = NULL;
  gboolean success;
  guint n_calls;
  guint n_fds;

  setlocale (LC_ALL, "C");
  /* What GLib would end the program for is tested with real limits; here it has it already. */
  g_type_ensure (G_TYPE_TASK);
  g_main_context_wakeup (g_main_context_default ());
  n_fds = test_count_fds ();
  steps = make_steps ();
  inject_arm ();
  success = run (steps, &error);
  n_calls = inject_disarm ();
  if (!success)
    assert_explains (error, steps);

  /* And nothing of it has stayed. */
  again = make_steps ();
  g_clear_pointer (&steps, g_ptr_array_unref);
  g_clear_error (&error);
  run (again, &error);
  g_assert_no_error (error);
  g_clear_pointer (&again, g_ptr_array_unref);
  test_wait_until (test_count_children () == 0);
  /* The engine has its event and both ends of the pipe for reports. */
  test_wait_until (test_count_fds () <= n_fds + 8);

  if (!success)
    return 2;
  return n_calls < strtoul (g_getenv ("INJECT_CALL"), NULL, 10) ? 0 : 1;
}
