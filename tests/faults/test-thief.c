/* test-thief.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault-support.h"

/* A program in which something else waits for all child processes. Each test in a process of its own, whose first
 * step shows what is there. */

#define N_STEPS 60

static gboolean
is_lost (ParallelStep *step)
{
  g_autoptr (GError) error = parallel_step_dup_error (step);

  return g_error_matches (error, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED) && strstr (error->message, "lost") != NULL;
}

/* Every status from 0 to 5 arrives; or, if some @may_be_lost, the step says that its own was; never another one.
 * Returns how many were lost. */
static guint
assert_statuses (gboolean may_be_lost)
{
  guint n_lost = 0;

  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (GPtrArray) steps = test_steps_new ();

  parallel_background_task_runner_set_max_parallel (runner, 4);
  for (guint i = 0; i < N_STEPS; i++)
    g_ptr_array_add (steps, test_put_shell (runner, "exit %u", i % 6));
  g_ptr_array_add (steps, test_put_shell (runner, "kill -SEGV $$"));
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));

  for (guint i = 0; i < N_STEPS; i++)
    {
      ParallelStep *step = g_ptr_array_index (steps, i);

      if (may_be_lost && is_lost (step))
        {
          n_lost++;
          continue;
        }
      g_assert_cmpint (parallel_step_get_exit_status (step), ==, (int) (i % 6));
      if (i % 6 == 0)
        g_assert_cmpint (parallel_step_get_state (step), ==, PARALLEL_STEP_STATE_SUCCEEDED);
      else
        test_assert_step_error (step, G_SPAWN_EXIT_ERROR, (int) (i % 6));
    }
  if (!may_be_lost || !is_lost (g_ptr_array_index (steps, N_STEPS)))
    g_assert_cmpint (parallel_step_get_term_signal (g_ptr_array_index (steps, N_STEPS)), ==, SIGSEGV);
  return n_lost;
}

/* GLib warns when a child is gone before it looks. */
static void
expect_warnings (void)
{
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
}

static void
reap_all (int signum)
{
  int saved_errno = errno;

  while (waitpid (-1, NULL, WNOHANG) > 0)
    ;
  errno = saved_errno;
}

static void
child_with_handler (void)
{
  struct sigaction action = { .sa_handler = reap_all, .sa_flags = SA_RESTART };

  expect_warnings ();
  sigaction (SIGCHLD, &action, NULL);
  assert_statuses (FALSE);
}

static void
test_handler (void)
{
  g_test_summary ("A handler of SIGCHLD that reaps every child takes no exit status away");
  test_in_subprocess ("/faults/thief/handler/subprocess/child");
}

static gpointer
thief_thread (gpointer data)
{
  while (!g_atomic_int_get ((gint *) data))
    {
      if (waitpid (-1, NULL, 0) < 0)
        g_usleep (100);
    }

  return NULL;
}

static gpointer
busy_thread (gpointer data)
{
  while (!g_atomic_int_get ((gint *) data))
    ;

  return NULL;
}

/* With @n_busy threads that make the library wait for a processor, a program may have ended, and been waited for,
 * before the library has had a look at it. */
static void
run_with_thief (guint n_busy)
{
  gint stop = FALSE;
  GThread *threads[9];

  expect_warnings ();
  threads[0] = g_thread_new ("thief", thief_thread, &stop);
  for (guint i = 1; i <= n_busy; i++)
    threads[i] = g_thread_new ("busy", busy_thread, &stop);
  g_test_message ("%u lost", assert_statuses (TRUE));
  g_atomic_int_set (&stop, TRUE);
  for (guint i = 0; i <= n_busy; i++)
    g_thread_join (threads[i]);
}

static void
child_with_thread (void)
{
  run_with_thief (0);
}

static void
child_with_busy_threads (void)
{
  run_with_thief (8);
}

static void
test_busy (void)
{
  g_test_summary ("Nor does it where the library is late to look; what is lost then is known to be");
  for (guint i = 0; i < fault_count (3, 50); i++)
    test_in_subprocess ("/faults/thief/busy/subprocess/child");
}

static void
test_thread (void)
{
  g_test_summary ("Nor does a thread that waits for every child");
  for (guint i = 0; i < fault_count (3, 50); i++)
    test_in_subprocess ("/faults/thief/thread/subprocess/child");
}

static void
child_with_handler_and_tree (void)
{
  struct sigaction action = { .sa_handler = reap_all };
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  ParallelTask *task = parallel_command_task_new_shell ("(setsid sleep 1000 &); exit 4");

  expect_warnings ();
  sigaction (SIGCHLD, &action, NULL);
  parallel_command_task_set_containment (PARALLEL_COMMAND_TASK (task), PARALLEL_CONTAINMENT_TREE);
  step = parallel_step_new (task, NULL);
  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_step_error (step, G_SPAWN_EXIT_ERROR, 4);
}

static void
test_tree (void)
{
  g_test_summary ("A tree is kept there too");
  test_in_subprocess ("/faults/thief/tree/subprocess/child");
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/thief/handler", test_handler);
  test_add ("/faults/thief/thread", test_thread);
  test_add ("/faults/thief/busy", test_busy);
  test_add ("/faults/thief/tree", test_tree);
  test_add ("/faults/thief/handler/subprocess/child", child_with_handler);
  test_add ("/faults/thief/thread/subprocess/child", child_with_thread);
  test_add ("/faults/thief/busy/subprocess/child", child_with_busy_threads);
  test_add ("/faults/thief/tree/subprocess/child", child_with_handler_and_tree);
  return test_run ();
}
