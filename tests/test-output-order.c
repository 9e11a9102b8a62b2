/* test-output-order.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "test-support.h"

static void
assert_printed (GOutputStream *sink,
                const char    *expected)
{
  g_autofree char *printed = test_captured (sink);

  g_assert_cmpstr (printed, ==, expected);
}

static guint64
await_finished (ParallelBackgroundTaskRunner *runner,
                guint64                       n)
{
  test_wait_until (parallel_background_task_runner_get_n_succeeded (runner) >= n);
  return n;
}

/* A runner that prints into a pipe; the reading end does not keep a test waiting for ever. */
static ParallelBackgroundTaskRunner *
pipe_runner (int fds[2])
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);

  g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
  parallel_background_task_runner_set_sink_fds (runner, fds[1], fds[1]);
  return runner;
}

static gboolean
is_empty (int fd)
{
  char byte;
  gssize n;

  fcntl (fd, F_SETFL, O_NONBLOCK);
  n = read (fd, &byte, 1);
  g_assert_true (n < 0 && errno == EAGAIN);
  fcntl (fd, F_SETFL, 0);
  return TRUE;
}

/* Queue order */

static void
test_live_head (void)
{
  g_autofree char *first_fifo = test_fifo ("first");
  g_autofree char *second_fifo = test_fifo ("second");
  ParallelBackgroundTaskRunner *runner;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autofree char *rest = NULL;
  int fds[2];

  g_test_summary ("The first step's lines come while it runs; the next ones whole, after it, in "
                  "order");
  runner = pipe_runner (fds);
  parallel_background_task_runner_set_max_parallel (runner, 3);
  g_object_unref (test_put_shell (runner, "echo a1; read x < '%s'; echo a2; read x < '%s'; echo a3",
                                  first_fifo, second_fifo));
  g_object_unref (test_put_shell (runner, "echo b1; echo b2"));
  g_object_unref (test_put_shell (runner, "echo c1; echo c2"));
  first = test_read_until (fds[0], "\n");
  g_assert_cmpstr (first, ==, "a1\n");
  await_finished (runner, 2);
  g_assert_true (is_empty (fds[0]));
  test_release_fifo (first_fifo);
  second = test_read_until (fds[0], "\n");
  g_assert_cmpstr (second, ==, "a2\n");
  g_assert_cmpuint (parallel_background_task_runner_get_n_running (runner), ==, 1);
  test_release_fifo (second_fifo);
  test_close_and_wait (runner);
  close (fds[1]);
  rest = test_read_until (fds[0], "c2\n");
  g_assert_cmpstr (rest, ==, "a3\nb1\nb2\nc1\nc2\n");
  g_assert_finalize_object (runner);
  close (fds[0]);
}

static void
test_next_head_is_live (void)
{
  g_autofree char *first_fifo = test_fifo ("first");
  g_autofree char *second_fifo = test_fifo ("second");
  ParallelBackgroundTaskRunner *runner;
  g_autofree char *text = NULL;
  g_autofree char *rest = NULL;
  int fds[2];

  g_test_summary ("When the first ends, the next unfinished one is printed so far and then live");
  runner = pipe_runner (fds);
  parallel_background_task_runner_set_max_parallel (runner, 3);
  g_object_unref (test_put_shell (runner, "read x < '%s'; printf a.", first_fifo));
  g_object_unref (test_put_shell (runner, "printf b."));
  g_object_unref (test_put_shell (runner, "printf c1.; read x < '%s'; printf c2.", second_fifo));
  await_finished (runner, 1);
  g_assert_true (is_empty (fds[0]));
  test_release_fifo (first_fifo);
  text = test_read_until (fds[0], "c1.");
  g_assert_cmpstr (text, ==, "a.b.c1.");
  test_release_fifo (second_fifo);
  test_close_and_wait (runner);
  rest = test_read_until (fds[0], "c2.");
  g_assert_cmpstr (rest, ==, "c2.");
  g_assert_finalize_object (runner);
  close (fds[0]);
  close (fds[1]);
}

static gboolean
print_input (ParallelStep  *step,
             GCancellable  *cancellable,
             gpointer       user_data,
             GError       **error)
{
  g_autoptr (GRand) random = g_rand_new_with_seed ((guint32) test_get_int (step));

  for (guint i = 0; i < 50; i++)
    {
      g_autofree char *text = g_strdup_printf ("%d.%u\n", test_get_int (step), i);

      if (!parallel_step_write_text (step, text, error))
        return FALSE;
      if (g_rand_int_range (random, 0, 10) == 0)
        g_thread_yield ();
    }
  return TRUE;
}

static void
test_many_in_order (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GString) expected = g_string_new (NULL);
  GOutputStream *sink;

  g_test_summary ("What 300 functions print at the same time comes out as if one had run after the "
                  "other");
  runner = parallel_background_task_runner_new (parallel_function_task_new (print_input, NULL, NULL));
  sink = test_capture (runner);
  parallel_background_task_runner_set_max_parallel (runner, 8);
  for (int i = 0; i < 300; i++)
    {
      test_put_int (runner, i);
      for (guint j = 0; j < 50; j++)
        g_string_append_printf (expected, "%d.%u\n", i, j);
    }
  test_close_and_wait (runner);
  assert_printed (sink, expected->str);
  g_assert_finalize_object (runner);
}

static void
test_streams_apart (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  GOutputStream *errors = test_capture_errors (runner);

  g_test_summary ("Each stream goes to its own sink, both in queue order");
  parallel_background_task_runner_set_max_parallel (runner, 4);
  for (int i = 0; i < 8; i++)
    g_object_unref (test_put_shell (runner, "echo err%d >&2; sleep 0.0%d; echo out%d", i, 8 - i, i));
  test_close_and_wait (runner);
  assert_printed (sink, "out0\nout1\nout2\nout3\nout4\nout5\nout6\nout7\n");
  assert_printed (errors, "err0\nerr1\nerr2\nerr3\nerr4\nerr5\nerr6\nerr7\n");
  g_assert_finalize_object (runner);
}

static void
test_failed_is_printed (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);

  g_test_summary ("A failed step's output is printed in its turn, and the next ones follow");
  g_object_unref (test_put_shell (runner, "echo a"));
  g_object_unref (test_put_shell (runner, "echo abc; kill -9 $$"));
  g_object_unref (test_put_shell (runner, "echo c"));
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, NULL));
  assert_printed (sink, "a\nabc\nc\n");
  g_assert_finalize_object (runner);
}

/* Byte for byte */

static void
assert_bytes (const char *script,
              GBytes     *expected)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) step = NULL;
  g_autoptr (GBytes) printed = NULL;
  g_autoptr (GBytes) output = NULL;

  step = test_put_shell (runner, "%s", script);
  test_close_and_wait (runner);
  g_output_stream_close (sink, NULL, NULL);
  printed = g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (sink));
  output = parallel_step_dup_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, NULL);
  g_assert_true (g_bytes_equal (printed, expected));
  g_assert_true (g_bytes_equal (output, expected));
  g_assert_finalize_object (runner);
}

static void
test_bytes (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GBytes) nuls = g_bytes_new_static ("a\0\0b\xff\xfe\xc3", 7);
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);
  g_autoptr (GBytes) accents = NULL;

  g_test_summary ("NUL bytes, invalid UTF-8, no final newline, 2000 times é: byte for byte");
  assert_bytes ("printf 'a\\000\\000b\\377\\376\\303'", nuls);
  assert_bytes ("true", empty);
  for (guint i = 0; i < 2000; i++)
    g_string_append (text, "\xc3\xa9");
  accents = g_bytes_new (text->str, text->len);
  assert_bytes ("i=0; while [ $i -lt 2000 ]; do printf '\\303\\251'; i=$((i+1)); done", accents);
}

static void
test_boundaries (void)
{
  static const guint sizes[] = { 4095, 4096, 4097, 65535, 65536, 65537, 262143, 262145, 4194303, 4194305 };

  g_test_summary ("Characters of several bytes across any buffer's end, byte for byte");
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *path = test_path ("bytes");
      g_autofree char *script = g_strdup_printf ("cat '%s'", path);
      g_autoptr (GString) text = g_string_sized_new (sizes[i] + 8);
      g_autoptr (GBytes) expected = NULL;

      g_string_append_c (text, 'x');
      while (text->len < sizes[i])
        g_string_append (text, "\xe2\x82\xac");
      expected = g_bytes_new (text->str, text->len);
      test_write_file (path, text->str);
      assert_bytes (script, expected);
    }
}

/* Other modes */

static void
test_finished_mode (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);

  g_test_summary ("As they finish: each step's output as a whole, the first to end first");
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_FINISHED);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  g_object_unref (test_put_shell (runner, "echo a1; read x < '%s'; echo a2", fifo));
  g_object_unref (test_put_shell (runner, "echo b1; echo b2"));
  await_finished (runner, 1);
  test_release_fifo (fifo);
  test_close_and_wait (runner);
  assert_printed (sink, "b1\nb2\na1\na2\n");
  g_assert_finalize_object (runner);
}

static void
test_tagged_mode (void)
{
  g_autofree char *a_fifo = test_fifo ("a");
  g_autofree char *b_fifo = test_fifo ("b");
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (ParallelStep) a = NULL;
  g_autoptr (ParallelStep) b = NULL;
  g_autofree char *first = NULL;
  g_autofree char *text = NULL;
  g_autofree char *last = NULL;
  int fds[2];

  g_test_summary ("Tagged: whole lines as they come, each with its step's name and a tabulator in "
                  "front");
  runner = pipe_runner (fds);
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_TAGGED);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  a = test_shell_step ("read x < '%s'; printf 'a1\\nlast'", a_fifo);
  b = test_shell_step ("echo b1; read x < '%s'; echo b2", b_fifo);
  parallel_step_set_name (a, "A");
  parallel_step_set_name (b, "B");
  test_put_step (runner, a);
  test_put_step (runner, b);
  first = test_read_until (fds[0], "\n");
  g_assert_cmpstr (first, ==, "B\tb1\n");
  test_release_fifo (a_fifo);
  text = test_read_until (fds[0], "last\n");
  g_assert_cmpstr (text, ==, "A\ta1\nA\tlast\n");
  test_release_fifo (b_fifo);
  test_close_and_wait (runner);
  close (fds[1]);
  last = test_read_until (fds[0], "b2\n");
  g_assert_cmpstr (last, ==, "B\tb2\n");
  g_assert_finalize_object (runner);
  close (fds[0]);
}

static void
test_no_mode (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (ParallelStep) step = NULL;

  g_test_summary ("None: nothing is printed, all can be read from the step");
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_NONE);
  step = test_put_shell (runner, "echo text");
  test_close_and_wait (runner);
  assert_printed (sink, "");
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "text\n");
  g_assert_finalize_object (runner);
}

static void
test_hold (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autofree char *text = NULL;
  int fds[2];

  g_test_summary ("Held output waits until the runner is closed, and what the program prints comes "
                  "first");
  runner = pipe_runner (fds);
  parallel_background_task_runner_set_hold_output (runner, TRUE);
  g_object_unref (test_put_shell (runner, "echo a"));
  g_object_unref (test_put_shell (runner, "echo b"));
  await_finished (runner, 2);
  g_assert_true (is_empty (fds[0]));
  g_assert_cmpint (write (fds[1], "foreground\n", 11), ==, 11);
  test_close_and_wait (runner);
  text = test_read_until (fds[0], "b\n");
  g_assert_cmpstr (text, ==, "foreground\na\nb\n");
  g_assert_finalize_object (runner);
  close (fds[0]);
  close (fds[1]);
}

static void
test_set_too_late (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();

  g_test_summary ("How output is printed cannot be changed once something was put");
  g_object_unref (test_put_function (runner, test_no_op, NULL));
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*begun*");
  parallel_background_task_runner_set_hold_output (runner, TRUE);
  g_test_assert_expected_messages ();
  g_assert_false (parallel_background_task_runner_get_hold_output (runner));
  g_test_expect_message ("Parallel", G_LOG_LEVEL_CRITICAL, "*begun*");
  parallel_background_task_runner_set_output_mode (runner, PARALLEL_OUTPUT_MODE_ORDERED);
  g_test_assert_expected_messages ();
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
}

static void
test_output_after_runner (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  g_autoptr (ParallelStep) step = test_put_shell (runner, "printf kept");

  g_test_summary ("The output can be read when the runner is gone");
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
  test_assert_output (step, PARALLEL_OUTPUT_STREAM_STDOUT, "kept");
}

/* Limits, signals, the keep-alive line */

static void
test_limit (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);

  g_test_summary ("Of an output over its limit the first and the last half are kept, and the gap "
                  "is named");
  parallel_background_task_runner_set_output_limit (runner, 20);
  g_object_unref (test_put_shell (runner, "printf 0123456789; head -c 1000000 /dev/zero; printf 9876543210"));
  g_object_unref (test_put_shell (runner, "printf 01234567890123456789"));
  test_close_and_wait (runner);
  assert_printed (sink, "0123456789\n[... 1000000 bytes left out ...]\n9876543210" "01234567890123456789");
  g_assert_finalize_object (runner);
}

static void
append_output_cb (ParallelBackgroundTaskRunner *runner,
                  ParallelStep                 *step,
                  ParallelOutputStream          stream,
                  GBytes                       *bytes,
                  gpointer                      text)
{
  g_autofree char *name = parallel_step_dup_name (step);

  g_assert_cmpuint (g_bytes_get_size (bytes), >, 0);
  g_string_append_printf (text, "%s%s", name, stream == PARALLEL_OUTPUT_STREAM_STDERR ? "!" : ":");
  g_string_append_len (text, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes));
}

static void
test_output_signal (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink = test_capture (runner);
  g_autoptr (GString) text = g_string_new (NULL);

  g_test_summary ("The output signal brings what is printed, in the same order, with its step and "
                  "stream");
  test_capture_errors (runner);
  g_signal_connect (runner, "output", G_CALLBACK (append_output_cb), text);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  for (int i = 0; i < 2; i++)
    {
      g_autoptr (ParallelStep) step = test_shell_step ("sleep 0.%d; echo out", 2 - i);
      g_autofree char *name = g_strdup_printf ("s%d", i);

      parallel_step_set_name (step, name);
      test_put_step (runner, step);
    }
  test_close_and_wait (runner);
  g_assert_cmpstr (text->str, ==, "s0:out\ns1:out\n");
  assert_printed (sink, "out\nout\n");
  g_assert_finalize_object (runner);
}

static void
test_keep_alive (void)
{
  g_autofree char *fifo = test_fifo ("fifo");
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  GOutputStream *sink;
  g_autoptr (ParallelStep) step = NULL;
  g_autofree char *line = NULL;
  int fds[2];

  g_test_summary ("When nothing is printed for a while, a line on the error sink says what still "
                  "runs");
  g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
  parallel_background_task_runner_set_sink_fds (runner, fds[1], fds[1]);
  sink = test_capture (runner);
  parallel_background_task_runner_set_keep_alive_interval (runner, 0.1);
  step = test_shell_step ("read x < '%s'", fifo);
  parallel_step_set_name (step, "the slow one");
  test_put_step (runner, step);
  line = test_read_until (fds[0], "\n");
  g_assert_true (g_str_has_prefix (line, "still running: the slow one"));
  test_release_fifo (fifo);
  test_close_and_wait (runner);
  assert_printed (sink, "");
  g_assert_finalize_object (runner);
  close (fds[0]);
  close (fds[1]);
}

/* A sink that fails */

static void
test_closed_pipe (void)
{
  ParallelBackgroundTaskRunner *runner;
  g_autoptr (GError) error = NULL;
  int fds[2];

  g_test_summary ("When nobody reads the output any more the run ends with an error, and no "
                  "SIGPIPE");
  runner = pipe_runner (fds);
  close (fds[0]);
  g_object_unref (test_put_shell (runner, "yes"));
  parallel_background_task_runner_close (runner);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  g_assert_finalize_object (runner);
  close (fds[1]);
}

static void
test_stuck_reader (void)
{
  ParallelBackgroundTaskRunner *runner;
  guint n_threads = test_count_threads ();
  g_autoptr (GError) error = NULL;
  int fds[2];

  g_test_summary ("A reader that does not read stops neither the steps nor a halt");
  runner = pipe_runner (fds);
  parallel_background_task_runner_set_kill_grace (runner, 0.2);
  g_object_unref (test_put_shell (runner, "head -c 1000000 /dev/zero"));
  g_object_unref (test_put_shell (runner, "head -c 1000000 /dev/zero"));
  await_finished (runner, 2);
  parallel_background_task_runner_halt (runner, PARALLEL_HALT_NOW);
  g_assert_false (parallel_background_task_runner_wait (runner, NULL, &error));
  g_assert_error (error, PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED);
  g_assert_finalize_object (runner);
  close (fds[0]);
  test_wait_until (test_count_threads () == n_threads);
  close (fds[1]);
}

/* The program's own standard output */

static void
test_default_subprocess (void)
{
  g_autoptr (GPtrArray) steps = test_steps_new ();

  g_ptr_array_add (steps, test_shell_step ("sleep 0.2; echo first; echo first error >&2"));
  g_ptr_array_add (steps, test_shell_step ("echo second"));
  g_assert_true (parallel_run_steps (steps, 2, FALSE, NULL, NULL));
}

static void
test_default (void)
{
  g_test_summary ("Unless told otherwise a run prints to the program's own stdout and stderr");
  g_test_trap_subprocess ("/output-order/default/subprocess/child", 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout ("*first\nsecond\n*");
  g_test_trap_assert_stdout_unmatched ("*error*");
  g_test_trap_assert_stderr ("*first error\n*");
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/output-order/live-head", test_live_head);
  test_add ("/output-order/next-head-is-live", test_next_head_is_live);
  test_add ("/output-order/many", test_many_in_order);
  test_add ("/output-order/streams-apart", test_streams_apart);
  test_add ("/output-order/failed", test_failed_is_printed);
  test_add ("/output-order/bytes", test_bytes);
  test_add ("/output-order/bytes/boundaries", test_boundaries);
  test_add ("/output-order/mode/finished", test_finished_mode);
  test_add ("/output-order/mode/tagged", test_tagged_mode);
  test_add ("/output-order/mode/none", test_no_mode);
  test_add ("/output-order/hold", test_hold);
  test_add ("/output-order/set-too-late", test_set_too_late);
  test_add ("/output-order/after-runner", test_output_after_runner);
  test_add ("/output-order/limit", test_limit);
  test_add ("/output-order/signal", test_output_signal);
  test_add ("/output-order/keep-alive", test_keep_alive);
  test_add ("/output-order/sink/closed-pipe", test_closed_pipe);
  test_add ("/output-order/sink/stuck-reader", test_stuck_reader);
  test_add ("/output-order/default", test_default);
  test_add ("/output-order/default/subprocess/child", test_default_subprocess);
  return test_run ();
}
