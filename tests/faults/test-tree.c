/* test-tree.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fault-support.h"

/* What a step has started, wherever that has gone, and what becomes of it. */

/* The first @n lines of the file as numbers; NULL when it does not have so many yet. */
static GArray *
read_pids (const char *path,
           guint       n)
{
  GArray *pids;
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  if (g_strv_length (lines) <= n)
    return NULL;

  pids = g_array_new (FALSE, FALSE, sizeof (int));
  for (guint i = 0; i < n; i++)
    {
      int pid = atoi (lines[i]);

      g_assert_cmpint (pid, >, 1);
      g_array_append_val (pids, pid);
    }
  return pids;
}

static GArray *
await_pids (const char *path,
            guint       n)
{
  GArray *pids = NULL;

  test_wait_until ((pids = read_pids (path, n)) != NULL);
  return pids;
}

static guint
count_running (GArray *pids)
{
  guint n = 0;

  for (guint i = 0; i < pids->len; i++)
    n += test_process_runs (g_array_index (pids, int, i));
  return n;
}

static void
kill_all (GArray *pids)
{
  for (guint i = 0; i < pids->len; i++)
    kill (g_array_index (pids, int, i), SIGKILL);
  test_wait_until (count_running (pids) == 0);
}

static ParallelStep *
make_step (ParallelContainment  containment,
           const char          *script,
           const char          *path)
{
  ParallelTask *task = parallel_command_task_new_shell (script);

  parallel_command_task_set_containment (PARALLEL_COMMAND_TASK (task), containment);
  parallel_command_task_setenv (PARALLEL_COMMAND_TASK (task), "PIDS", path);
  return parallel_step_new (task, NULL);
}

/* Starts the step, waits for @n process ids, cancels it, and nothing of it may be left when it has ended. */
static void
assert_stopped (ParallelContainment  containment,
                const char          *script,
                guint                n)
{
  g_autofree char *path = test_path ("pids");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = make_step (containment, script, path);
  g_autoptr (GArray) pids = NULL;

  g_unlink (path);
  parallel_background_task_runner_set_kill_grace (runner, 30);
  test_put_step (runner, step);
  pids = await_pids (path, n);
  g_assert_cmpuint (count_running (pids), ==, n);
  parallel_step_cancel (step);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (count_running (pids), ==, 0);
  test_assert_step_error (step, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpfloat (parallel_step_get_elapsed (step), <, 25);
}

#define DAEMON "(setsid sh -c 'echo $$ >> $PIDS; exec sleep 1000' &) ; "

static void
test_daemon (void)
{
  g_test_summary ("A daemon in a session of its own is stopped with its step, by SIGTERM");
  for (ParallelContainment i = PARALLEL_CONTAINMENT_GROUP; i <= PARALLEL_CONTAINMENT_TREE; i++)
    {
      assert_stopped (i, DAEMON "echo $$ >> $PIDS; exec sleep 1000", 2);
      /* Also when the step has nothing else to do. */
      assert_stopped (i, DAEMON DAEMON "trap 'exit 0' TERM; echo $$ >> $PIDS; while :; do sleep 0.05; done", 3);
    }
}

static void
test_many_groups (void)
{
  g_test_summary ("Two hundred sleepers in groups of their own are all found");
  assert_stopped (PARALLEL_CONTAINMENT_GROUP,
                  "for i in $(seq 200); do setsid sh -c 'echo $$ >> $PIDS; exec sleep 1000' & done; wait", 200);
  assert_stopped (PARALLEL_CONTAINMENT_TREE,
                  "for i in $(seq 200); do setsid sh -c 'echo $$ >> $PIDS; exec sleep 1000' & done; wait", 200);
}

static void
test_no_mark (void)
{
  g_test_summary ("A child without its environment is found as a child, and one of nobody in a tree");
  assert_stopped (PARALLEL_CONTAINMENT_GROUP,
                  "env -i PIDS=$PIDS setsid sh -c 'echo $$ >> $PIDS; exec sleep 1000' & wait", 1);
  assert_stopped (PARALLEL_CONTAINMENT_TREE,
                  "(env -i PIDS=$PIDS setsid sh -c 'echo $$ >> $PIDS; exec sleep 1000' &) ; sleep 1000", 1);
}

/* Each stop signal reaches a stray once; only SIGKILL needs no more than that. */
static void
test_stubborn_stray (void)
{
  g_autofree char *path = test_path ("pids");
  g_autofree char *log = test_path ("pids.log");
  g_autofree char *signals = NULL;
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GArray) pids = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("One that ignores SIGTERM gets it once, and is killed after the delay");
  step = make_step (PARALLEL_CONTAINMENT_GROUP,
                    "(setsid sh -c 'trap \"echo HUP >> $PIDS.log\" HUP; trap \"echo TERM >> $PIDS.log\" TERM;"
                    "echo $$ >> $PIDS; while :; do sleep 0.02; done' &) ; sleep 1000", path);
  g_assert_true (parallel_step_set_stop_sequence (step, "HUP,1000,SIGTERM,1000", &error));
  g_assert_no_error (error);
  parallel_background_task_runner_set_kill_grace (runner, 30);
  test_put_step (runner, step);
  pids = await_pids (path, 1);
  parallel_step_cancel (step);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (count_running (pids), ==, 0);
  signals = test_read_file (log);
  g_assert_cmpstr (signals, ==, "HUP\nTERM\n");
  g_assert_cmpfloat (parallel_step_get_elapsed (step), >=, 2);
}

/* The end of a program */

static void
run_to_success (ParallelStep *step)
{
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();

  test_put_step (runner, step);
  test_close_and_wait (runner);
}

static void
test_outlived (void)
{
  g_autofree char *path = test_path ("pids");
  g_autoptr (ParallelStep) group = NULL;
  g_autoptr (ParallelStep) tree = NULL;
  g_autoptr (GArray) pids = NULL;
  g_autoptr (GArray) tree_pids = NULL;

  g_test_summary ("What a program leaves behind when it ends stays in a group, and goes in a tree");
#define LEAVE "(env -i PIDS=$PIDS setsid sh -c 'echo $$ >> $PIDS; exec sleep 1000' &) ; " \
              DAEMON "while [ \"$(wc -l < $PIDS)\" != 2 ]; do sleep 0.01; done; echo out"
  g_file_set_contents (path, "", 0, NULL);
  group = make_step (PARALLEL_CONTAINMENT_GROUP, LEAVE, path);
  run_to_success (group);
  pids = await_pids (path, 2);
  g_assert_cmpuint (count_running (pids), ==, 2);
  kill_all (pids);

  g_file_set_contents (path, "", 0, NULL);
  tree = make_step (PARALLEL_CONTAINMENT_TREE, LEAVE, path);
  run_to_success (tree);
  tree_pids = await_pids (path, 2);
  g_assert_cmpuint (count_running (tree_pids), ==, 0);
  test_assert_output (tree, PARALLEL_OUTPUT_STREAM_STDOUT, "out\n");
}

static void
test_same_status (void)
{
  static const struct { const char *script; int exit_status; int term_signal; } cases[] =
  {
    { "exit 0", 0, 0 },
    { "exit 200", 200, 0 },
    { "kill -SEGV $$", -1, SIGSEGV },
    { "kill -KILL $$", -1, SIGKILL },
    { "kill -TERM 0", -1, SIGTERM },
  };

  g_test_summary ("A program in a tree ends as it ends without one");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
      g_autoptr (ParallelStep) step = make_step (PARALLEL_CONTAINMENT_TREE, cases[i].script, "/dev/null");

      test_put_step (runner, step);
      parallel_background_task_runner_close (runner);
      parallel_background_task_runner_wait (runner, NULL, NULL);
      g_assert_cmpint (parallel_step_get_exit_status (step), ==, cases[i].exit_status);
      g_assert_cmpint (parallel_step_get_term_signal (step), ==, cases[i].term_signal);
    }
}

static void
test_supervisor_killed (void)
{
  g_autofree char *path = test_path ("pids");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GSubprocess) subprocess = NULL;
  g_autoptr (GArray) pids = NULL;

  g_test_summary ("If somebody kills the process that keeps a tree, the step fails and the tree is stopped");
  step = make_step (PARALLEL_CONTAINMENT_TREE, DAEMON "echo $$ >> $PIDS; exec sleep 1000", path);
  test_put_step (runner, step);
  pids = await_pids (path, 2);
  subprocess = parallel_step_dup_subprocess (step);
  g_subprocess_force_exit (subprocess);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  g_assert_cmpuint (count_running (pids), ==, 0);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGKILL);
}

static void
test_own_group_killed (void)
{
  g_autofree char *path = test_path ("pids");
  g_autoptr (ParallelBackgroundTaskRunner) runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GArray) pids = NULL;

  g_test_summary ("A program that kills its whole group does not take the keeper of its tree with it");
  step = make_step (PARALLEL_CONTAINMENT_TREE,
                    "(env -i PIDS=$PIDS setsid sh -c 'echo $$ >> $PIDS; exec sleep 1000' &) ; "
                    "while ! [ -s $PIDS ]; do sleep 0.01; done; kill -KILL 0", path);
  test_put_step (runner, step);
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  pids = await_pids (path, 1);
  g_assert_cmpuint (count_running (pids), ==, 0);
  g_assert_cmpint (parallel_step_get_term_signal (step), ==, SIGKILL);
}

/* The mark */

static void
test_mark (void)
{
  g_auto (GStrv) parts = NULL;
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GBytes) output = NULL;
  g_autofree char *text = NULL;

  g_test_summary ("Each program has a mark in its environment, and the marks of those around it");
  step = make_step (PARALLEL_CONTAINMENT_GROUP, "env | grep ^PARALLEL_GLIB_STEP=", "/dev/null");
  run_to_success (step);
  output = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, NULL);
  text = g_strndup (g_bytes_get_data (output, NULL), g_bytes_get_size (output));
  parts = g_strsplit (strchr (text, '=') + 1, ":", -1);
  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  g_assert_cmpstr (parts[0], ==, "outer.mark");
  g_assert_true (g_str_has_suffix (parts[1], "\n"));
}

int
main (int    argc,
      char **argv)
{
  g_setenv ("PARALLEL_GLIB_STEP", "outer.mark", TRUE);
  test_init (&argc, &argv);
  test_add ("/faults/tree/daemon", test_daemon);
  test_add ("/faults/tree/many-groups", test_many_groups);
  test_add ("/faults/tree/no-mark", test_no_mark);
  test_add ("/faults/tree/stubborn-stray", test_stubborn_stray);
  test_add ("/faults/tree/outlived", test_outlived);
  test_add ("/faults/tree/same-status", test_same_status);
  test_add ("/faults/tree/supervisor-killed", test_supervisor_killed);
  test_add ("/faults/tree/own-group-killed", test_own_group_killed);
  test_add ("/faults/tree/mark", test_mark);
  return test_run ();
}
