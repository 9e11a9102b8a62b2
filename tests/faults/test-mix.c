/* test-mix.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fault-support.h"

/* Many steps: what goes wrong among them is reported exactly, and nothing grows. */

/* A mix of faults */

typedef enum
{
  FAULT_NONE,
  FAULT_EXIT,
  FAULT_SIGNAL,
  FAULT_FUNCTION,
  FAULT_HANG,
  FAULT_FUNCTION_HANG,
  N_FAULTS
} Fault;

typedef struct
{
  Fault fault;
  int   number;
} Injected;

static gboolean
fail_with_number (ParallelStep  *step,
                  GCancellable  *cancellable,
                  gpointer       user_data,
                  GError       **error)
{
  g_set_error (error, G_FILE_ERROR, GPOINTER_TO_INT (user_data), "fault %d", GPOINTER_TO_INT (user_data));
  return FALSE;
}

static gboolean
hang (ParallelStep  *step,
      GCancellable  *cancellable,
      gpointer       user_data,
      GError       **error)
{
  GPollFD poll_fd;

  g_cancellable_make_pollfd (cancellable, &poll_fd);
  while (!g_cancellable_is_cancelled (cancellable))
    g_poll (&poll_fd, 1, -1);
  g_cancellable_release_fd (cancellable);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

/* Hangs are rare, as each takes its time. */
static Injected
choose (GRand *rand,
        guint  index)
{
  static const int signals[] = { SIGSEGV, SIGABRT, SIGKILL, SIGTERM, SIGBUS };
  Injected injected = { FAULT_NONE, 0 };
  int dice = g_rand_int_range (rand, 0, 100);

  if (index % 3 != 0)
    return injected;

  if (dice < 35)
    return (Injected) { FAULT_EXIT, g_rand_int_range (rand, 1, 126) };
  if (dice < 65)
    return (Injected) { FAULT_SIGNAL, signals[g_rand_int_range (rand, 0, G_N_ELEMENTS (signals))] };
  if (dice < 90)
    return (Injected) { FAULT_FUNCTION, g_rand_int_range (rand, 0, 24) };
  return (Injected) { dice < 95 ? FAULT_HANG : FAULT_FUNCTION_HANG, 0 };
}

static ParallelStep *
make_step (const Injected *injected,
           guint           index)
{
  g_autofree char *name = g_strdup_printf ("step %u", index);
  ParallelStep *step = NULL;

  switch (injected->fault)
    {
    case FAULT_NONE:
      step = index % 2 == 0 ? test_shell_step ("echo %u", index) : test_function_step (fault_write_name, NULL);
      break;
    case FAULT_EXIT:
      step = test_shell_step ("echo %u; exit %d", index, injected->number);
      break;
    case FAULT_SIGNAL:
      step = test_shell_step ("ulimit -c 0; kill -%d $$", injected->number);
      break;
    case FAULT_FUNCTION:
      step = test_function_step (fail_with_number, GINT_TO_POINTER (injected->number));
      break;
    case FAULT_HANG:
      step = test_shell_step ("exec sleep 1000");
      break;
    case FAULT_FUNCTION_HANG:
      step = test_function_step (hang, NULL);
      break;
    case N_FAULTS:
    default:
      g_assert_not_reached ();
    }
  if (injected->fault == FAULT_HANG || injected->fault == FAULT_FUNCTION_HANG)
    {
      parallel_step_set_silence_timeout (step, 0.1);
      /* For the one it is enough time to go, for the other it must not be abandoned under load. */
      parallel_step_set_kill_grace (step, injected->fault == FAULT_HANG ? 0.2 : 100);
    }
  parallel_step_set_name (step, name);
  return step;
}

static void
assert_reported (ParallelStep   *step,
                 const Injected *injected,
                 guint           index)
{
  g_autofree char *name = g_strdup_printf ("step %u", index);
  g_autofree char *actual = parallel_step_dup_name (step);

  g_assert_cmpstr (actual, ==, name);
  switch (injected->fault)
    {
    case FAULT_EXIT:
      test_assert_step_error (step, G_SPAWN_EXIT_ERROR, injected->number);
      g_assert_cmpint (parallel_step_get_exit_status (step), ==, injected->number);
      g_assert_cmpint (parallel_step_get_term_signal (step), ==, 0);
      return;
    case FAULT_SIGNAL:
      test_assert_step_error (step, G_SPAWN_ERROR, G_SPAWN_ERROR_FAILED);
      g_assert_cmpint (parallel_step_get_term_signal (step), ==, injected->number);
      g_assert_cmpint (parallel_step_get_exit_status (step), ==, -1);
      return;
    case FAULT_FUNCTION:
      test_assert_step_error (step, G_FILE_ERROR, injected->number);
      return;
    case FAULT_HANG:
    case FAULT_FUNCTION_HANG:
      test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_SILENT);
      return;
    case FAULT_NONE:
    case N_FAULTS:
    default:
      g_assert_not_reached ();
    }
}

static void
test_mix (void)
{
  guint n = fault_count (1000, 10000);
  guint32 seed = (guint32) g_test_rand_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autofree Injected *injected = g_new0 (Injected, n);
  g_autoptr (GPtrArray) failures = NULL;
  g_autoptr (GError) error = NULL;
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  guint n_failed = 0;

  g_test_summary ("Every third step fails, dies or hangs, and the report is exactly what went wrong");
  g_test_message ("random seed of this test: %u", seed);
  fault_allow_seconds (900);
  parallel_background_task_runner_set_max_parallel (runner, 8);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (ParallelStep) step = NULL;

      injected[i] = choose (rand, i);
      step = make_step (&injected[i], i);
      test_put_step (runner, step);
    }
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  failures = parallel_background_task_runner_dup_failures (runner);
  for (guint i = 0; i < n; i++)
    if (injected[i].fault != FAULT_NONE)
      {
        g_assert_cmpuint (n_failed, <, failures->len);
        assert_reported (g_ptr_array_index (failures, n_failed), &injected[i], i);
        n_failed++;
      }
  g_assert_cmpuint (failures->len, ==, n_failed);
  fault_assert_aggregate (error, n_failed, n);
  g_assert_cmpuint (parallel_background_task_runner_get_n_failed (runner), ==, n_failed);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, n - n_failed);
  g_clear_pointer (&failures, g_ptr_array_unref);
  g_assert_finalize_object (runner);
}

/* Nothing grows */

#define N_OPEN 1000

static void
run_commands (ParallelBackgroundTaskRunner *runner,
              guint                         n)
{
  guint64 before = parallel_background_task_runner_get_n_succeeded (runner);
  const char *argv[] = { "echo", "out", NULL };

  for (guint i = 0; i < n;)
    {
      g_autoptr (ParallelStep) step = NULL;
      g_autoptr (GError) error = NULL;

      step = parallel_step_new (parallel_command_task_new (argv), NULL);
      if (parallel_background_task_runner_put_step (runner, step, &error))
        {
          i++;
          continue;
        }
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
      g_main_context_iteration (NULL, TRUE);
    }
  test_iterate_until (NULL, parallel_background_task_runner_get_n_succeeded (runner) == before + n);
}

/* Wakes the loop whenever there is room again. */
static void
wake_cb (ParallelBackgroundTaskRunner *runner,
         ParallelStep                 *step,
         gpointer                      user_data)
{
}

static void
test_soak_subprocess (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  guint n = fault_count (1000, 100000);
  int null_fd = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  gint64 memory;
  guint n_threads;
  guint n_fds;

  fault_allow_seconds (1800);
  parallel_background_task_runner_set_sink_fds (runner, null_fd, null_fd);
  parallel_background_task_runner_set_max_parallel (runner, 4);
  parallel_background_task_runner_set_max_pending (runner, 20);
  g_signal_connect (runner, "step-finished", G_CALLBACK (wake_cb), NULL);
  run_commands (runner, MIN (n, 500));
  test_wait_until (test_count_children () == 0);
  memory = test_memory_now ();
  n_fds = test_count_fds ();
  n_threads = test_count_threads ();
  run_commands (runner, n);
  test_wait_until (test_count_children () == 0);
  test_wait_until (test_count_fds () <= n_fds);
  g_assert_cmpuint (test_count_threads (), <=, n_threads);
  g_test_message ("memory grew by %" G_GINT64_FORMAT " bytes", test_memory_now () - memory);
  if (!test_has_sanitizer () && test_time_factor () <= 1)
    g_assert_cmpint (test_memory_now () - memory, <, 2 << 20);
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
  close (null_fd);
}

static void
test_soak (void)
{
  g_test_summary ("However many programs run, memory, descriptors and threads stay what they were");
  fault_allow_seconds (1800);
  test_in_subprocess ("/faults/soak/subprocess/child");
}

static void
test_host_fds_subprocess (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  struct rlimit limit;
  int fds[N_OPEN];

  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  limit.rlim_cur = MIN (limit.rlim_max, N_OPEN + 200);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
  for (guint i = 0; i < N_OPEN; i++)
    g_assert_cmpint (fds[i] = open ("/dev/null", O_RDONLY), >=, 0);
  for (guint i = 0; i < 50; i++)
    g_ptr_array_add (steps, test_put_shell (runner, "ls /proc/$$/fd; exit 0"));
  test_close_and_wait (runner);
  for (guint i = 0; i < steps->len; i++)
    test_assert_output (g_ptr_array_index (steps, i), PARALLEL_OUTPUT_STREAM_STDOUT, "0\n1\n2\n");
  for (guint i = 0; i < N_OPEN; i++)
    close (fds[i]);
  g_assert_finalize_object (runner);
}

static void
test_host_fds (void)
{
  g_test_summary ("Of a thousand descriptors that the program leaves open a step sees none");
  test_in_subprocess ("/faults/host-fds/subprocess/child");
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/faults/mix", test_mix);
  test_add ("/faults/soak", test_soak);
  test_add ("/faults/soak/subprocess/child", test_soak_subprocess);
  test_add ("/faults/host-fds", test_host_fds);
  test_add ("/faults/host-fds/subprocess/child", test_host_fds_subprocess);
  return test_run ();
}
