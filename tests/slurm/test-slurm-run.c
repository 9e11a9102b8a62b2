/* test-slurm-run.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "pool-support.h"
#include "remote-support.h"

/* Runs on a real Slurm: three nodes with four CPUs each, started by with-cluster.sh, and used by nobody else. Its nodes are
 * all on this machine, so that what is on them can be seen here. */

/* What the issue promises, in seconds. */
#define SOON (1.0 * test_time_factor ())

/* ---- the cluster ---- */

/* What a line of shell prints, with lines joined by "|". */
static char *
run_shell (const char *line)
{
  const char *argv[] = { "/bin/sh", "-c", line, NULL };
  char *output = NULL;
  g_autoptr (GError) error = NULL;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, NULL, NULL, &error);
  g_assert_no_error (error);
  return g_strdelimit (g_strchomp (output), "\n", '|');
}

static gboolean
prints (const char *line,
        const char *expected)
{
  g_autofree char *output = run_shell (line);

  return g_str_equal (output, expected);
}

#define STEPS  "squeue -h -s -o %i | grep -v -e extern -e interactive"
#define STATES "squeue -h -o %t -S t,i"

static double
since (gint64 began)
{
  return (g_get_monotonic_time () - began) / 1e6;
}

/* Nothing runs on any node. */
static gboolean
nothing_runs (void)
{
  return remote_count_agents ("serve") == 0 && remote_count_agents ("commands") == 0 && prints (STEPS, "");
}

static ParallelLauncher *
slurm_launcher (void)
{
  const char *options[] = { "-N3", "-n12", NULL };

  return parallel_launcher_new_slurm (options);
}

/* As remote_add(); and the cluster is free. */
static void
await_release (void)
{
  test_wait_until (prints (STATES, ""));
}

static ParallelTask *
slurm_shell (const char *format,
             ...) G_GNUC_PRINTF (1, 2);

static ParallelTask *
slurm_shell (const char *format,
             ...)
{
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);

  return remote_set (parallel_command_task_new_shell (line), slurm_launcher ());
}

/* ---- much to do ---- */

static void
test_commands (void)
{
  ParallelBackgroundTaskRunner *runner =
    parallel_background_task_runner_new (slurm_shell ("echo \"$1\"; echo \"$SLURMD_NODENAME\" >&2"));
  GOutputStream *sink = test_capture (runner);
  GOutputStream *nodes_sink = test_capture_errors (runner);
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autofree char *printed = NULL;
  g_autofree char *nodes = NULL;

  g_test_summary ("300 commands over three nodes");
  for (int i = 0; i < 300; i++)
    {
      test_put_int (runner, i);
      g_string_append_printf (expected, "%d\n", i);
    }
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_max_parallel (runner), ==, 12);
  printed = test_captured (sink);
  nodes = test_captured (nodes_sink);
  g_assert_cmpstr (printed, ==, expected->str);
  g_assert_cmpuint (strlen (nodes), ==, 300 * strlen ("n1\n"));
  g_assert_nonnull (strstr (nodes, "n1\n"));
  g_assert_nonnull (strstr (nodes, "n2\n"));
  g_assert_nonnull (strstr (nodes, "n3\n"));
  g_assert_finalize_object (runner);
  await_release ();
}

static void
test_workers (void)
{
  ParallelTask *task = remote_set (worker_task_new (), slurm_launcher ());
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (task);
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GPtrArray) nodes = test_steps_new ();

  g_test_summary ("3000 calls over three nodes");
  for (guint i = 0; i < 3000; i++)
    {
      g_ptr_array_add (steps, worker_put (runner, "echo", "number %u", i));
      if (i % 10 == 0)
        g_ptr_array_add (nodes, worker_put (runner, "environment", "%s", "SLURMD_NODENAME"));
    }
  test_close_and_wait (runner);
  for (guint i = 0; i < steps->len; i++)
    {
      g_autofree char *expected = g_strdup_printf ("number %u", i);

      g_assert_cmpstr (worker_get_text (g_ptr_array_index (steps, i)), ==, expected);
    }
  g_assert_cmpuint (worker_count_texts (nodes), ==, 3);
  g_clear_object (&runner);
  g_ptr_array_set_size (steps, 0);
  g_ptr_array_set_size (nodes, 0);
  await_release ();
}

static void
assert_echoes (gboolean connect_back)
{
  const char * const argv[] = { "cat", NULL };
  const gsize size = 10 * 1024 * 1024;
  guint8 *data = g_malloc (size);
  g_autoptr (GBytes) bytes = g_bytes_new_take (data, size);
  ParallelLauncher *launcher = slurm_launcher ();
  ParallelTask *task = remote_set (parallel_command_task_new (argv), launcher);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GBytes) output = NULL;

  for (gsize at = 0; at < size; at += 256)
    g_assert_cmpint (getrandom (data + at, MIN (256, size - at), 0), >, 0);
  parallel_launcher_set_connect_back (launcher, connect_back);
  parallel_command_task_set_stdin_bytes (PARALLEL_COMMAND_TASK (task), bytes);
  step = remote_run (task, NULL);
  output = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, NULL);
  g_assert_true (g_bytes_equal (output, bytes));
}

static void
test_random (void)
{
  g_test_summary ("10 MiB of any bytes there and back, with and without a connection of the agent's own");
  assert_echoes (TRUE);
  assert_echoes (FALSE);
  await_release ();
}

static void
test_labels (void)
{
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("What the user has said to srun about its streams does not matter");
  g_setenv ("SLURM_LABELIO", "1", TRUE);
  step = remote_run (slurm_shell ("echo out; exit 3"), NULL);
  g_unsetenv ("SLURM_LABELIO");
  test_assert_step_error (step, G_SPAWN_EXIT_ERROR, 3);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "out\n");
  g_clear_object (&step);
  await_release ();
}

/* ---- what goes wrong ---- */

/* A run of steps each of which leaves "NODE PID" in a file and waits; on the second attempt it is done at once. */
typedef struct
{
  ParallelBackgroundTaskRunner *runner;
  GPtrArray                    *steps;
  char                         *release;
} Wait;

static char *
wait_path (const char *kind,
           guint       i)
{
  g_autofree char *name = g_strdup_printf ("%s-%u", kind, i);

  return test_path (name);
}

static void
wait_begin (Wait  *self,
            guint  n_steps,
            guint  max_attempts)
{
  g_autofree char *where = test_path ("at");
  ParallelTask *task;

  self->release = test_path ("release");
  task = slurm_shell ("trap 'echo cleaned; exit 9' TERM; [ ! -e '%s'-$1 ] || exec echo \"$SLURMD_NODENAME\"; "
                      "echo \"$$ $SLURMD_NODENAME\" > '%s'-$1.new; mv '%s'-$1.new '%s'-$1; "
                      "until [ -e '%s' ]; do sleep 0.05; done; echo \"$SLURMD_NODENAME\"",
                      where, where, where, where, self->release);
  self->runner = parallel_background_task_runner_new (g_object_ref (task));
  parallel_background_task_runner_set_output_mode (self->runner, PARALLEL_OUTPUT_MODE_NONE);
  self->steps = test_steps_new ();
  for (guint i = 0; i < n_steps; i++)
    {
      g_autofree char *input = g_strdup_printf ("%u", i);
      ParallelStep *step = parallel_step_new_string (g_object_ref (task), input);

      parallel_step_set_max_attempts (step, max_attempts);
      test_put_step (self->runner, step);
      g_ptr_array_add (self->steps, step);
    }
  g_object_unref (task);
}

static gboolean
wait_has_begun (guint i)
{
  g_autofree char *path = wait_path ("at", i);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static guint
wait_count_begun (guint n_steps)
{
  guint n = 0;

  for (guint i = 0; i < n_steps; i++)
    n += wait_has_begun (i);
  return n;
}

/* The process id of its program, and its node. */
static int
wait_get (guint   i,
          char  **node)
{
  g_autofree char *path = wait_path ("at", i);
  g_autofree char *text = NULL;

  test_wait_until (wait_has_begun (i));
  text = g_strchomp (test_read_file (path));
  if (node != NULL)
    *node = g_strdup (strchr (text, ' ') + 1);
  return atoi (text);
}

static void
wait_release (Wait *self)
{
  test_write_file (self->release, "");
}

static void
wait_end (Wait *self)
{
  g_clear_object (&self->runner);
  g_clear_pointer (&self->steps, g_ptr_array_unref);
  g_clear_pointer (&self->release, g_free);
  await_release ();
}

static int
get_parent (int pid)
{
  g_autofree char *line = g_strdup_printf ("ps -o ppid= -p %d", pid);
  g_autofree char *text = run_shell (line);

  return atoi (text);
}

/* The one above @pid of this name. */
static int
find_above (int         pid,
            const char *name)
{
  for (; pid > 1; pid = get_parent (pid))
    {
      g_autofree char *path = g_strdup_printf ("/proc/%d/cmdline", pid);
      g_autofree char *text = NULL;
      gsize size = 0;

      if (g_file_get_contents (path, &text, &size, NULL) && memmem (text, size, name, strlen (name)) != NULL)
        return pid;
    }

  g_error ("there is no %s", name);
}

static ParallelStep *
get_step (Wait  *self,
          guint  i)
{
  return g_ptr_array_index (self->steps, i);
}

/* Kills what is above the first of three. */
static void
check_killed (const char *name,
              gboolean    connect_back,
              guint       max_attempts,
              gboolean    names_node)
{
  Wait wait;
  g_autofree char *node = NULL;
  g_autofree char *expected = NULL;
  int pid;
  gint64 began;

  wait_begin (&wait, 3, max_attempts);
  for (guint i = 0; i < 3; i++)
    wait_get (i, NULL);
  pid = wait_get (0, &node);
  began = g_get_monotonic_time ();
  g_assert_no_errno (kill (find_above (pid, name), SIGKILL));
  if (max_attempts == 1)
    {
      test_wait_until (parallel_step_get_state (get_step (&wait, 0)) == PARALLEL_STEP_STATE_FAILED);
      g_assert_cmpfloat (since (began), <, SOON);
      test_assert_step_error (get_step (&wait, 0), PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_UNEXPECTED_EXIT);
      expected = names_node ? g_strdup_printf ("The worker on %s is lost: *", node)
                            : g_strdup_printf ("The worker on %s was ended by signal 9 (Killed)*", node);
      remote_assert_matches (get_step (&wait, 0), expected);
    }
  else
    {
      test_wait_until (parallel_step_get_state (get_step (&wait, 0)) == PARALLEL_STEP_STATE_SUCCEEDED);
      g_assert_cmpuint (parallel_step_get_attempt (get_step (&wait, 0)), ==, 2);
    }
  test_wait_until (!test_process_runs (pid));
  wait_release (&wait);
  parallel_background_task_runner_close (wait.runner);
  parallel_background_task_runner_wait (wait.runner, NULL, NULL);
  g_assert_cmpint (parallel_step_get_state (get_step (&wait, 1)), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  g_assert_cmpint (parallel_step_get_state (get_step (&wait, 2)), ==, PARALLEL_STEP_STATE_SUCCEEDED);
  wait_end (&wait);
}

static void
test_stepd_killed (void)
{
  g_test_summary ("A step whose slurmstepd is killed is lost");
  check_killed ("slurmstepd", TRUE, 1, TRUE);
}

static void
test_stepd_killed_retried (void)
{
  g_test_summary ("And tried again elsewhere");
  check_killed ("slurmstepd", TRUE, 2, TRUE);
}

static void
test_worker_killed (void)
{
  g_test_summary ("A worker that is killed there");
  check_killed ("commands", TRUE, 1, FALSE);
}

static void
test_agent_killed (void)
{
  g_test_summary ("An agent that is killed there");
  check_killed ("serve", TRUE, 1, TRUE);
}

static void
set_node (const char *state)
{
  g_autofree char *line = g_strdup_printf ("scontrol update nodename=n2 state=%s reason=test", state);

  g_assert_true (prints (line, ""));
}

static void
check_node_down (guint max_attempts)
{
  Wait wait;
  gint64 began;
  guint n_there = 0;

  wait_begin (&wait, 12, max_attempts);
  for (guint i = 0; i < 12; i++)
    wait_get (i, NULL);
  began = g_get_monotonic_time ();
  set_node ("down");
  for (guint i = 0; i < 12; i++)
    {
      g_autofree char *node = NULL;

      wait_get (i, &node);
      if (!g_str_equal (node, "n2"))
        continue;
      n_there++;
      if (max_attempts > 1)
        continue;   /* until there is room for it elsewhere */
      test_wait_until (parallel_step_get_state (get_step (&wait, i)) == PARALLEL_STEP_STATE_FAILED);
      g_assert_cmpfloat (since (began), <, SOON);
      remote_assert_matches (get_step (&wait, i), "The worker on n2 is lost: *");
    }
  g_assert_cmpuint (n_there, ==, 4);
  wait_release (&wait);
  parallel_background_task_runner_close (wait.runner);
  g_assert_cmpint (parallel_background_task_runner_wait (wait.runner, NULL, NULL), ==, max_attempts > 1);
  for (guint i = 0; i < 12; i++)
    {
      g_autofree char *node = NULL;

      wait_get (i, &node);
      if (max_attempts > 1 || !g_str_equal (node, "n2"))
        g_assert_cmpint (parallel_step_get_state (get_step (&wait, i)), ==, PARALLEL_STEP_STATE_SUCCEEDED);
    }
  set_node ("resume");
  wait_end (&wait);
  test_wait_until (prints ("sinfo -h -n n2 -o %t", "idle"));
}

static void
test_node_down (void)
{
  g_test_summary ("The steps on a node that fails are lost at once");
  check_node_down (1);
}

static void
test_node_down_retried (void)
{
  g_test_summary ("And succeed elsewhere when they are tried again");
  check_node_down (3);
}

static void
test_slots_of_node (void)
{
  Wait wait;

  g_test_summary ("A node that is down takes its slots away");
  wait_begin (&wait, 24, 3);
  test_wait_until (wait_count_begun (24) == 12);
  set_node ("down");
  test_wait_until (remote_count_agents ("commands") == 8);
  wait_release (&wait);
  test_close_and_wait (wait.runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (wait.runner), ==, 24);
  set_node ("resume");
  wait_end (&wait);
  test_wait_until (prints ("sinfo -h -n n2 -o %t", "idle"));
}

/* ---- the end ---- */

static void
check_stop (gboolean halt)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Wait wait;
  gint64 began;

  wait_begin (&wait, 20, 1);
  parallel_background_task_runner_set_cancellable (wait.runner, cancellable);
  test_wait_until (wait_count_begun (20) == 12);
  began = g_get_monotonic_time ();
  if (halt)
    parallel_background_task_runner_halt (wait.runner, PARALLEL_HALT_NOW);
  else
    g_cancellable_cancel (cancellable);
  parallel_background_task_runner_close (wait.runner);
  g_assert_false (parallel_background_task_runner_wait (wait.runner, NULL, NULL));
  g_test_message ("over after %.3f s", since (began));
  g_assert_cmpfloat (since (began), <, SOON);
  test_wait_until (nothing_runs ());
  g_test_message ("nothing runs after %.3f s", since (began));
  g_assert_cmpfloat (since (began), <, SOON);
  for (guint i = 0; i < 12; i++)
    test_assert_output (get_step (&wait, i), PARALLEL_OUTPUT_STREAM_STDOUT, "cleaned\n");
  wait_end (&wait);
}

static void
test_halt (void)
{
  g_test_summary ("A run that is halted is over soon, with nothing running on any node; its programs may clean up");
  check_stop (TRUE);
}

static void
test_cancelled (void)
{
  g_test_summary ("So is one that is cancelled");
  check_stop (FALSE);
}

/* While its workers are still to come. */
static void
test_halt_early (void)
{
  Wait wait;
  gint64 began;

  g_test_summary ("So is one that has only begun");
  wait_begin (&wait, 12, 1);
  test_wait_until (remote_count_agents ("relay") > 0);
  began = g_get_monotonic_time ();
  parallel_background_task_runner_halt (wait.runner, PARALLEL_HALT_NOW);
  parallel_background_task_runner_close (wait.runner);
  g_assert_false (parallel_background_task_runner_wait (wait.runner, NULL, NULL));
  test_wait_until (nothing_runs ());
  g_test_message ("nothing runs after %.3f s", since (began));
  g_assert_cmpfloat (since (began), <, 2 * SOON);
  wait_end (&wait);
}

static void
test_killed (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *path = test_path ("begun");
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autoptr (GError) error = NULL;
  int pid;

  g_test_summary ("SIGKILL of the program leaves nothing on the nodes");
  subprocess = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, self, "--role", "hold", path, NULL);
  g_assert_no_error (error);
  pid = test_await_number (path);
  g_subprocess_force_exit (subprocess);
  g_assert_true (g_subprocess_wait (subprocess, NULL, NULL));
  test_wait_until (!test_process_runs (pid) && nothing_runs ());
  await_release ();
}

static int
role_hold (const char *path)
{
  g_autoptr (ParallelStep) step = remote_run (slurm_shell ("trap '' TERM; echo $$ > '%s'; while :; do sleep 0.05; done",
                                                           path), NULL);

  return 1;
}

/* ---- a full cluster ---- */

static void
test_full (void)
{
  const char *options[] = { "-N3", "-n12", NULL };
  ParallelLauncher *impatient = parallel_launcher_new_slurm (options);
  Wait wait;
  g_autoptr (ParallelStep) refused = NULL;
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) patient = parallel_step_new (slurm_shell ("echo at last"), NULL);

  g_test_summary ("A full cluster is waited for, or an error");
  wait_begin (&wait, 1, 1);
  wait_get (0, NULL);
  parallel_launcher_set_patience (impatient, 0);
  refused = remote_run (remote_set (parallel_command_task_new_shell ("true"), impatient), NULL);
  remote_assert_matches (refused, "*Slurm has not given an allocation*");
  g_clear_object (&refused);

  test_put_step (runner, patient);
  parallel_background_task_runner_close (runner);
  test_wait_until (prints (STATES, "PD|R"));
  g_assert_cmpint (parallel_step_get_state (patient), !=, PARALLEL_STEP_STATE_SUCCEEDED);
  wait_release (&wait);
  test_close_and_wait (wait.runner);
  g_clear_object (&wait.runner);
  g_ptr_array_set_size (wait.steps, 0);
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, NULL));
  test_assert_output (patient, PARALLEL_OUTPUT_STREAM_STDOUT, "at last\n");
  g_clear_object (&runner);
  g_clear_object (&patient);
  wait_end (&wait);
}

/* ---- in an allocation ---- */

static int
role_inside (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (slurm_shell ("echo \"$SLURMD_NODENAME\"; "
                                                                                           "sleep 0.2"));
  GOutputStream *sink = test_capture (runner);
  g_autofree char *nodes = NULL;

  for (int i = 0; i < 24; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  nodes = test_captured (sink);
  g_print ("%u %d %d %d\n", parallel_background_task_runner_get_max_parallel (runner), strstr (nodes, "n1") != NULL,
           strstr (nodes, "n2") != NULL, strstr (nodes, "n3") != NULL);
  return 0;
}

static void
check_inside (const char *before)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *line = g_strdup_printf ("%s '%s' --role inside", before, self);

  g_autofree char *output = run_shell (line);

  g_assert_cmpstr (output, ==, "6 1 1 0");
  await_release ();
}

static void
test_inside (void)
{
  g_test_summary ("In an allocation of the user's that one is used, in a step of it, too");
  check_inside ("salloc -Q -n6");
  check_inside ("salloc -Q -n6 srun -Q -N1 -n1");
}

int
main (int    argc,
      char **argv)
{
  worker_init (argc, argv);
  if (argc >= 3 && g_str_equal (argv[1], "--role"))
    return g_str_equal (argv[2], "inside") ? role_inside () : role_hold (argv[3]);

  test_init (&argc, &argv);
  remote_add ("/slurm-run/commands", test_commands);
  remote_add ("/slurm-run/workers", test_workers);
  remote_add ("/slurm-run/random", test_random);
  remote_add ("/slurm-run/labels", test_labels);
  remote_add ("/slurm-run/stepd-killed", test_stepd_killed);
  remote_add ("/slurm-run/stepd-retried", test_stepd_killed_retried);
  remote_add ("/slurm-run/worker-killed", test_worker_killed);
  remote_add ("/slurm-run/agent-killed", test_agent_killed);
  remote_add ("/slurm-run/node-down", test_node_down);
  remote_add ("/slurm-run/node-retried", test_node_down_retried);
  remote_add ("/slurm-run/node-slots", test_slots_of_node);
  remote_add ("/slurm-run/halt", test_halt);
  remote_add ("/slurm-run/cancel", test_cancelled);
  remote_add ("/slurm-run/early-halt", test_halt_early);
  remote_add ("/slurm-run/killed", test_killed);
  remote_add ("/slurm-run/full", test_full);
  remote_add ("/slurm-run/inside", test_inside);
  return test_run ();
}
