/* test-context.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "test-support.h"

/* Which thread and which main context everything happens in. */

typedef struct
{
  GThread *thread;
  GString *events;
} Log;

static void
started_cb (ParallelBackgroundTaskRunner *runner,
            ParallelStep                 *step,
            gpointer                      user_data)
{
  Log *log = user_data;

  g_assert_true (g_thread_self () == log->thread);
  g_string_append_printf (log->events, "s%d ", (int) parallel_step_get_index (step));
}

static void
output_cb (ParallelBackgroundTaskRunner *runner,
           ParallelStep                 *step,
           ParallelOutputStream          stream,
           GBytes                       *bytes,
           gpointer                      user_data)
{
  Log *log = user_data;

  g_assert_true (g_thread_self () == log->thread);
  g_string_append_printf (log->events, "o%d ", (int) parallel_step_get_index (step));
}

static void
step_finished_cb (ParallelBackgroundTaskRunner *runner,
                  ParallelStep                 *step,
                  gpointer                      user_data)
{
  Log *log = user_data;

  g_assert_true (g_thread_self () == log->thread);
  g_string_append_printf (log->events, "f%d ", (int) parallel_step_get_index (step));
}

static void
finished_cb (ParallelBackgroundTaskRunner *runner,
             GError                       *error,
             gpointer                      user_data)
{
  Log *log = user_data;

  g_assert_true (g_thread_self () == log->thread);
  g_string_append (log->events, error != NULL ? "error" : "end");
}

static void
log_connect (Log                          *log,
             ParallelBackgroundTaskRunner *runner)
{
  log->thread = g_thread_self ();
  log->events = g_string_new (NULL);
  g_signal_connect (runner, "step-started", G_CALLBACK (started_cb), log);
  g_signal_connect (runner, "output", G_CALLBACK (output_cb), log);
  g_signal_connect (runner, "step-finished", G_CALLBACK (step_finished_cb), log);
  g_signal_connect (runner, "finished", G_CALLBACK (finished_cb), log);
}

static void
log_assert (Log        *log,
            const char *expected)
{
  g_assert_cmpstr (log->events->str, ==, expected);
  g_string_free (log->events, TRUE);
}

static gboolean
print_dot (ParallelStep  *step,
           GCancellable  *cancellable,
           gpointer       user_data,
           GError       **error)
{
  return parallel_step_write_text (step, ".", error);
}

static ParallelBackgroundTaskRunner *
dot_runner (void)
{
  ParallelBackgroundTaskRunner *runner;

  runner = parallel_background_task_runner_new (parallel_function_task_new (print_dot, NULL, NULL));
  test_capture (runner);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  return runner;
}

/* Waiting in the owner's thread */

static gboolean
foreign_cb (gpointer n)
{
  (*(guint *) n)++;
  return G_SOURCE_CONTINUE;
}

typedef struct
{
  GMainLoop *loop;
  guint      n_foreign;
} SyncCall;

static gboolean
sync_call_cb (gpointer user_data)
{
  SyncCall *call = user_data;
  ParallelBackgroundTaskRunner *runner = dot_runner ();
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;
  guint n_foreign = call->n_foreign;
  Log log;

  log_connect (&log, runner);
  for (int i = 0; i < 3; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  g_assert_cmpuint (call->n_foreign, ==, n_foreign);
  g_assert_cmpint (strncmp (log.events->str, "s0 ", 3), ==, 0);
  g_assert_true (g_str_has_suffix (log.events->str, " end"));
  g_string_free (log.events, TRUE);
  g_assert_finalize_object (runner);

  g_ptr_array_add (steps, test_shell_step ("true"));
  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  g_assert_true (parallel_run_steps (steps, 2, FALSE, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (call->n_foreign, ==, n_foreign);
  g_main_loop_quit (call->loop);
  return G_SOURCE_REMOVE;
}

static void
test_sync_in_callback (void)
{
  SyncCall call = { g_main_loop_new (NULL, FALSE), 0 };
  guint timeout = g_timeout_add_full (G_PRIORITY_HIGH, 0, foreign_cb, &call.n_foreign, NULL);
  guint idle = g_idle_add_full (G_PRIORITY_HIGH, foreign_cb, &call.n_foreign, NULL);

  g_test_summary ("A synchronous call inside a main loop's callback dispatches nobody else's "
                  "sources");
  g_idle_add_full (G_PRIORITY_HIGH, sync_call_cb, &call, NULL);
  g_main_loop_run (call.loop);
  g_source_remove (timeout);
  g_source_remove (idle);
  g_main_loop_unref (call.loop);
}

static void
test_order_of_signals (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  g_autoptr (ParallelStep) good = NULL;
  g_autoptr (ParallelStep) bad = NULL;
  Log log;

  g_test_summary ("A step's signals come in order, in the thread that waits, and the run's end "
                  "last");
  parallel_background_task_runner_set_max_parallel (runner, 1);
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  log_connect (&log, runner);
  good = test_put_shell (runner, "true");
  bad = test_put_shell (runner, "false");
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  log_assert (&log, "s0 f0 s1 f1 error");
  g_assert_finalize_object (runner);
}

static void
test_finished_once (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  Log log;

  g_test_summary ("The end is signalled once, also when several wait and the run is halted "
                  "afterwards");
  log_connect (&log, runner);
  test_close_and_wait (runner);
  test_close_and_wait (runner);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  log_assert (&log, "end");
  g_assert_finalize_object (runner);
}

static void
test_output_before_end (void)
{
  ParallelBackgroundTaskRunner *runner = dot_runner ();
  Log log;

  g_test_summary ("A step's output is signalled before the end of the run");
  log_connect (&log, runner);
  test_put_int (runner, 0);
  test_close_and_wait (runner);
  g_assert_true (g_str_equal (log.events->str, "s0 o0 f0 end")
                 || g_str_equal (log.events->str, "s0 f0 o0 end"));
  g_string_free (log.events, TRUE);
  g_assert_finalize_object (runner);
}

/* A thread with a main context of its own */

static void
count_done_cb (GObject      *source,
               GAsyncResult *result,
               gpointer      user_data)
{
  Log *log = user_data;

  g_assert_true (g_thread_self () == log->thread);
  g_assert_true (parallel_background_task_runner_wait_finish (
    PARALLEL_BACKGROUND_TASK_RUNNER (source), result, NULL));
  g_string_append (log->events, " done");
}

static gpointer
own_context_thread (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  ParallelBackgroundTaskRunner *runner;
  Log log;

  g_main_context_push_thread_default (context);
  runner = test_silent_runner ();
  parallel_background_task_runner_set_max_parallel (runner, 1);
  log_connect (&log, runner);
  g_object_unref (test_put_function (runner, test_no_op, NULL));
  g_object_unref (test_put_shell (runner, "true"));
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait_async (runner, NULL, count_done_cb, &log);
  test_iterate_until (context, g_str_has_suffix (log.events->str, "done"));
  log_assert (&log, "s0 f0 s1 f1 end done");
  g_assert_finalize_object (runner);
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
test_own_context (void)
{
  GThread *threads[4];

  g_test_summary ("A runner belongs to the thread-default context that it was made in");
  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("owner", own_context_thread, NULL);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  g_assert_false (g_main_context_pending (NULL));
}

static gpointer
run_steps_thread (gpointer data)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 10; i++)
    g_ptr_array_add (steps, i % 2 == 0 ? test_function_step (test_no_op, NULL) : test_shell_step ("true"));
  g_assert_true (parallel_run_steps (steps, 3, FALSE, NULL, &error));
  g_assert_no_error (error);
  return NULL;
}

static void
test_plain_threads (void)
{
  GThread *threads[4];

  g_test_summary ("Threads without a context of their own can run steps while nobody iterates the "
                  "default one");
  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("plain", run_steps_thread, NULL);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
}

static gpointer
only_wait_thread (gpointer runner)
{
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, NULL));
  return NULL;
}

static void
test_wait_elsewhere (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  GThread *thread;
  Log log;

  g_test_summary ("A wait in another thread only waits: signals come when their owner iterates");
  log_connect (&log, runner);
  g_object_unref (test_put_function (runner, test_no_op, NULL));
  parallel_background_task_runner_close (runner);
  thread = g_thread_new ("waiter", only_wait_thread, runner);
  g_thread_join (thread);
  g_assert_cmpstr (log.events->str, ==, "");
  test_iterate_until (NULL, g_str_has_suffix (log.events->str, "end"));
  log_assert (&log, "s0 f0 end");
  g_assert_finalize_object (runner);
}

/* What is freed where */

static void
assert_thread_cb (gpointer thread)
{
  g_assert_true (g_thread_self () == thread);
}

static void
free_counted_cb (gpointer n)
{
  (*(guint *) n)++;
}

static void
test_freed_in_owner (void)
{
  ParallelBackgroundTaskRunner *runner;
  guint n_freed = 0;

  g_test_summary ("Inputs, and the steps made for them, are freed in the owner's thread");
  runner = parallel_background_task_runner_new (parallel_function_task_new (test_no_op, NULL, NULL));
  parallel_background_task_runner_set_max_parallel (runner, 4);
  for (guint i = 0; i < 200; i++)
    {
      g_auto (GValue) value = G_VALUE_INIT;
      g_autoptr (GObject) object = g_object_new (G_TYPE_OBJECT, NULL);

      g_object_set_data_full (object, "thread", g_thread_self (), assert_thread_cb);
      g_object_set_data_full (object, "count", &n_freed, free_counted_cb);
      g_value_init (&value, G_TYPE_OBJECT);
      g_value_set_object (&value, object);
      g_assert_true (parallel_background_task_runner_put (runner, &value, NULL));
    }
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
  test_iterate_until (NULL, n_freed == 200);
}

/* From inside a handler */

typedef struct
{
  guint    n;
  gboolean halted;
} Reentry;

static void
put_more_cb (ParallelBackgroundTaskRunner *runner,
             ParallelStep                 *step,
             gpointer                      user_data)
{
  Reentry *reentry = user_data;

  reentry->n++;
  if (reentry->n < 50)
    g_assert_true (parallel_background_task_runner_put_string (runner, "more", NULL));
  else
    parallel_background_task_runner_close (runner);
  parallel_background_task_runner_set_max_parallel (runner, 1 + reentry->n % 4);
  parallel_background_task_runner_pause (runner);
  parallel_background_task_runner_resume (runner);
  g_free (parallel_background_task_runner_dump (runner));
}

static void
test_put_in_handler (void)
{
  ParallelBackgroundTaskRunner *runner;
  Reentry reentry = { 0 };
  g_autoptr (GError) error = NULL;

  g_test_summary ("A handler may put, close, pause, resume, change limits and look");
  runner = parallel_background_task_runner_new (parallel_function_task_new (test_no_op, NULL, NULL));
  g_signal_connect (runner, "step-finished", G_CALLBACK (put_more_cb), &reentry);
  g_assert_true (parallel_background_task_runner_put_string (runner, "first", NULL));
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (reentry.n, ==, 50);
  g_assert_finalize_object (runner);
}

static void
halt_cb (ParallelBackgroundTaskRunner *runner,
         ParallelStep                 *step,
         gpointer                      user_data)
{
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
}

static void
test_halt_in_handler (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) first = NULL;
  g_autoptr (ParallelStep) second = NULL;
  g_autoptr (GError) error = NULL;

  g_test_summary ("A handler may halt the run");
  g_signal_connect (runner, "step-started", G_CALLBACK (halt_cb), NULL);
  parallel_background_task_runner_set_max_parallel (runner, 1);
  first = test_put_shell (runner, "sleep 1000");
  second = test_put_shell (runner, "true");
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_cmpint (parallel_step_get_state (first), ==, PARALLEL_STEP_STATE_HALTED);
  g_assert_cmpint (parallel_step_get_state (second), ==, PARALLEL_STEP_STATE_SKIPPED);
  g_assert_finalize_object (runner);
}

static void
nested_cb (ParallelBackgroundTaskRunner *runner,
           ParallelStep                 *step,
           gpointer                      n)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
  g_ptr_array_add (steps, test_shell_step ("true"));
  g_assert_true (parallel_run_steps (steps, 2, FALSE, NULL, NULL));
  (*(guint *) n)++;
}

static void
test_run_in_handler (void)
{
  ParallelBackgroundTaskRunner *runner;
  guint n = 0;

  g_test_summary ("A handler may run steps itself");
  runner = parallel_background_task_runner_new (parallel_function_task_new (test_no_op, NULL, NULL));
  g_signal_connect (runner, "step-finished", G_CALLBACK (nested_cb), &n);
  for (int i = 0; i < 5; i++)
    test_put_int (runner, i);
  test_close_and_wait (runner);
  g_assert_cmpuint (n, ==, 5);
  g_assert_finalize_object (runner);
}

static void
wait_in_handler_cb (ParallelBackgroundTaskRunner *runner,
                    ParallelStep                 *step,
                    gpointer                      n)
{
  g_assert_true (parallel_background_task_runner_wait (runner, NULL, NULL));
  (*(guint *) n)++;
}

static void
test_wait_in_handler (void)
{
  ParallelBackgroundTaskRunner *runner;
  guint n = 0;

  g_test_summary ("A handler may wait for its own runner's end");
  runner = parallel_background_task_runner_new (parallel_function_task_new (test_no_op, NULL, NULL));
  g_signal_connect (runner, "step-finished", G_CALLBACK (wait_in_handler_cb), &n);
  for (int i = 0; i < 3; i++)
    test_put_int (runner, i);
  parallel_background_task_runner_close (runner);
  test_iterate_until (NULL, n == 3);
  g_assert_finalize_object (runner);
}

static void
drop_cb (ParallelBackgroundTaskRunner *runner,
         ParallelStep                 *step,
         gpointer                      location)
{
  ParallelBackgroundTaskRunner **held = location;

  g_clear_object (held);
}

static void
test_drop_in_handler (void)
{
  ParallelBackgroundTaskRunner *runner;
  gpointer alive;

  g_test_summary ("A handler may drop the last reference to its runner");
  runner = parallel_background_task_runner_new (parallel_function_task_new (test_no_op, NULL, NULL));
  alive = runner;
  g_object_add_weak_pointer (G_OBJECT (runner), &alive);
  g_signal_connect (runner, "step-finished", G_CALLBACK (drop_cb), &runner);
  for (int i = 0; i < 100; i++)
    test_put_int (runner, i);
  test_iterate_until (NULL, alive == NULL);
  g_assert_null (runner);
}

static void
test_drop_during_wait_async (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (GAsyncResult) result = NULL;
  gpointer alive = runner;

  g_test_summary ("A runner that somebody waits for stays until the wait is over");
  g_object_add_weak_pointer (G_OBJECT (runner), &alive);
  g_object_unref (test_put_shell (runner, "sleep 0.1"));
  parallel_background_task_runner_close (runner);
  parallel_background_task_runner_wait_async (runner, NULL, test_store_result_cb, &result);
  g_object_unref (runner);
  test_await_result (NULL, &result);
  g_assert_true (parallel_background_task_runner_wait_finish (runner, result, NULL));
  g_clear_object (&result);
  test_iterate_until (NULL, alive == NULL);
}

/* The main loop stays alive */

static void
test_loop_is_not_starved (void)
{
  ParallelBackgroundTaskRunner *runner;
  guint n_idle = 0;
  guint idle = g_idle_add_full (G_PRIORITY_DEFAULT, foreign_cb, &n_idle, NULL);
  guint n_finished = 0;

  g_test_summary ("A flood of finished steps lets the host's other sources have their turns");
  runner = parallel_background_task_runner_new (parallel_function_task_new (test_no_op, NULL, NULL));
  g_signal_connect_swapped (runner, "step-finished", G_CALLBACK (free_counted_cb), &n_finished);
  for (int i = 0; i < 50000; i++)
    test_put_int (runner, i);
  parallel_background_task_runner_close (runner);
  test_iterate_until (NULL, n_finished == 50000);
  g_assert_cmpuint (n_idle, >, 10);
  g_source_remove (idle);
  g_assert_finalize_object (runner);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/context/sync-in-callback", test_sync_in_callback);
  test_add ("/context/signals/order", test_order_of_signals);
  test_add ("/context/signals/finished-once", test_finished_once);
  test_add ("/context/signals/output-before-end", test_output_before_end);
  test_add ("/context/own-context", test_own_context);
  test_add ("/context/plain-threads", test_plain_threads);
  test_add ("/context/wait-elsewhere", test_wait_elsewhere);
  test_add ("/context/freed-in-owner", test_freed_in_owner);
  test_add ("/context/handler/put", test_put_in_handler);
  test_add ("/context/handler/halt", test_halt_in_handler);
  test_add ("/context/handler/run", test_run_in_handler);
  test_add ("/context/handler/wait", test_wait_in_handler);
  test_add ("/context/handler/drop", test_drop_in_handler);
  test_add ("/context/drop-during-wait", test_drop_during_wait_async);
  test_add ("/context/not-starved", test_loop_is_not_starved);
  return test_run ();
}
