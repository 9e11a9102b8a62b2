/* limits.c: time limits, how a step over one is stopped, and another try.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <locale.h>

#include <parallel-glib/parallel.h>

int
main (void)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = parallel_background_task_runner_new (NULL);
  ParallelTask *hangs = parallel_command_task_new_shell ("trap '' TERM; echo I start; sleep 600");
  ParallelTask *flaky = parallel_command_task_new_shell ("rmdir \"$TRIED\" || { mkdir \"$TRIED\"; exit 1; }");
  g_autoptr (ParallelStep) hung = NULL;
  g_autoptr (ParallelStep) retried = NULL;
  g_autofree char *tried = g_strdup_printf ("%s/tried-%08x", g_get_tmp_dir (), g_random_int ());
  g_autofree char *diagnosis = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) hung_error = NULL;

  setlocale (LC_ALL, "");

  /* For each step, in seconds: 60 in all, 0.5 without a sign of life, 0.2 to end when it is told to. */
  parallel_background_task_runner_set_timeout (runner, 60);
  parallel_background_task_runner_set_silence_timeout (runner, 0.5);
  parallel_background_task_runner_set_kill_grace (runner, 0.2);

  hung = parallel_step_new (hangs, NULL);
  parallel_background_task_runner_put_step (runner, hung, NULL);

  parallel_command_task_setenv (PARALLEL_COMMAND_TASK (flaky), "TRIED", tried);
  retried = parallel_step_new (flaky, NULL);
  parallel_step_set_max_attempts (retried, 3);
  parallel_step_set_retry_delay (retried, 0.1);
  parallel_background_task_runner_put_step (runner, retried, NULL);

  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait (runner, NULL, &error);

  hung_error = parallel_step_dup_error (hung);
  diagnosis = parallel_step_dup_diagnosis (hung);
  g_print ("%s\n", hung_error->message);
  g_print ("sleep is in the diagnosis: %s\n", strstr (diagnosis, "sleep 600") != NULL ? "yes" : "no");
  g_print ("the other one succeeded in attempt %u\n", parallel_step_get_attempt (retried));

  return 0;
}
