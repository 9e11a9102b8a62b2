/* test-scale.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "test-support.h"

/* Large numbers. Each test runs in a process of its own, so that its memory and its limits are its own. */

#define MIB (G_GINT64_CONSTANT (1) << 20)
#define GIB (G_GINT64_CONSTANT (1) << 30)

/* The sanitizers have their own idea of memory, and of speed. */
static gint64
scaled (gint64 n)
{
  return test_has_sanitizer () || test_time_factor () > 1 ? n / 10 : n;
}

static void
assert_memory_below (gint64 limit)
{
  if (!test_has_sanitizer () && test_time_factor () <= 1)
    g_assert_cmpint (test_memory_peak (), <, limit);
}

static double
processor_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* A million inputs */

typedef struct
{
  gint   n_run;
  gint   n_gone;
  gint64 sum;
  GMutex mutex;
} Tally;

static void
step_gone_cb (gpointer  user_data,
              GObject  *step)
{
  Tally *tally = user_data;

  g_atomic_int_inc (&tally->n_gone);
}

static gboolean
add_input (ParallelStep  *step,
           GCancellable  *cancellable,
           gpointer       user_data,
           GError       **error)
{
  Tally *tally = user_data;

  g_object_weak_ref (G_OBJECT (step), step_gone_cb, tally);
  g_mutex_lock (&tally->mutex);
  tally->n_run++;
  tally->sum += test_get_int (step);
  g_mutex_unlock (&tally->mutex);
  return TRUE;
}

/* Puts and runs @n inputs and says how much processor time that took. */
static double
run_inputs (int     n,
            gint64 *bytes_per_input)
{
  Tally tally = { 0 };
  double start = processor_time ();
  gint64 memory;
  ParallelBackgroundTaskRunner *runner;

  g_mutex_init (&tally.mutex);
  runner = parallel_background_task_runner_new (parallel_function_task_new (add_input, &tally, NULL));
  parallel_background_task_runner_pause (runner);
  memory = test_memory_now ();
  for (int i = 0; i < n; i++)
    test_put_int (runner, i);
  *bytes_per_input = (test_memory_now () - memory) / n;
  g_assert_cmpuint (parallel_background_task_runner_get_n_pending (runner), ==, (guint) n);
  parallel_background_task_runner_resume (runner);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_background_task_runner_get_n_succeeded (runner), ==, (guint64) n);
  g_assert_finalize_object (runner);
  g_assert_cmpint (tally.n_run, ==, n);
  g_assert_cmpint (tally.sum, ==, (gint64) n * (n - 1) / 2);
  g_assert_cmpint (tally.n_gone, ==, n);
  g_mutex_clear (&tally.mutex);
  return processor_time () - start;
}

static void
test_million_subprocess (void)
{
  int n = (int) scaled (1000000);
  double tenth;
  double all;
  gint64 bytes;

  all = run_inputs (n, &bytes);
  if (!test_has_sanitizer ())
    g_assert_cmpint (bytes, <, 300);
  tenth = run_inputs (n / 10, &bytes);
  g_test_message ("%d inputs took %.2f s of processor time, a tenth of them %.2f s", n, all, tenth);
  /* Ten times as much when linear, a hundred times when quadratic. */
  g_assert_cmpfloat (all, <, 40 * MAX (tenth, 0.01));
}

static void
test_million (void)
{
  g_test_summary ("A million inputs: below 300 bytes each in the queue, in linear time, and no "
                  "step is left");
  test_in_subprocess ("/scale/million/subprocess/child");
}

static void
test_million_passing_subprocess (void)
{
  int n = (int) scaled (1000000);
  Tally tally = { 0 };
  ParallelBackgroundTaskRunner *runner;
  gint64 memory;

  g_mutex_init (&tally.mutex);
  runner = parallel_background_task_runner_new (parallel_function_task_new (add_input, &tally, NULL));
  parallel_background_task_runner_set_max_pending (runner, 100);
  memory = test_memory_now ();
  for (int i = 0; i < n;)
    {
      g_auto (GValue) value = G_VALUE_INIT;
      g_autoptr (GError) error = NULL;

      g_value_init (&value, G_TYPE_INT);
      g_value_set_int (&value, i);
      if (parallel_background_task_runner_put (runner, &value, &error))
        i++;
      else
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
          g_main_context_iteration (NULL, FALSE);
          g_thread_yield ();
        }
    }
  test_close_and_wait (runner);
  if (!test_has_sanitizer ())
    g_assert_cmpint (test_memory_now () - memory, <, 16 * MIB);
  g_assert_finalize_object (runner);
  g_assert_cmpint (tally.n_run, ==, n);
  g_assert_cmpint (tally.n_gone, ==, n);
  g_mutex_clear (&tally.mutex);
}

static void
test_million_passing (void)
{
  g_test_summary ("A million inputs through a bounded queue need no memory");
  test_in_subprocess ("/scale/million-passing/subprocess/child");
}

/* Two GiB of output */

typedef struct
{
  int    fd;
  gint64 n_bytes;
} Reader;

/* Each step writes its own pattern: lines of 16 bytes. */
static gpointer
check_pattern_thread (gpointer data)
{
  Reader *reader = data;
  g_autofree char *buffer = g_malloc (1 << 20);
  g_autofree char *first_pattern = g_malloc ((1 << 20) + 16);
  g_autofree char *second_pattern = g_malloc ((1 << 20) + 16);
  gint64 half = scaled (GIB) & ~(gint64) 0xfffff;
  gssize n;

  for (guint i = 0; i < (1 << 20) + 16; i++)
    {
      first_pattern[i] = "0123456789abcde\n"[i % 16];
      second_pattern[i] = "fedcba987654321\n"[i % 16];
    }
  while ((n = read (reader->fd, buffer, 1 << 20)) > 0)
    {
      gssize first = reader->n_bytes < half ? (gssize) MIN (half - reader->n_bytes, n) : 0;
      guint at = (guint) (reader->n_bytes % 16);

      if (first > 0 && memcmp (buffer, first_pattern + at, (gsize) first) != 0)
        g_error ("wrong bytes after %" G_GINT64_FORMAT, reader->n_bytes);
      at = (guint) ((reader->n_bytes + first) % 16);
      if (first < n && memcmp (buffer + first, second_pattern + at, (gsize) (n - first)) != 0)
        g_error ("wrong bytes after %" G_GINT64_FORMAT, reader->n_bytes);
      reader->n_bytes += n;
    }
  return NULL;
}

static void
test_output_subprocess (void)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (NULL);
  gint64 half = scaled (GIB) & ~(gint64) 0xfffff;
  Reader reader = { 0 };
  GThread *thread;
  int fds[2];

  g_assert_no_errno (pipe2 (fds, O_CLOEXEC));
  reader.fd = fds[0];
  thread = g_thread_new ("reader", check_pattern_thread, &reader);
  parallel_background_task_runner_set_sink_fds (runner, fds[1], fds[1]);
  parallel_background_task_runner_set_max_parallel (runner, 2);
  g_object_unref (test_put_shell (runner, "yes 0123456789abcde | head -c %" G_GINT64_FORMAT, half));
  g_object_unref (test_put_shell (runner, "yes fedcba987654321 | head -c %" G_GINT64_FORMAT, half));
  test_close_and_wait (runner);
  g_assert_finalize_object (runner);
  close (fds[1]);
  g_thread_join (thread);
  close (fds[0]);
  g_assert_cmpint (reader.n_bytes, ==, 2 * half);
  assert_memory_below (64 * MIB);
}

static void
test_output (void)
{
  g_test_summary ("Two steps with a GiB of output each: the right bytes, with less than 64 MiB of "
                  "memory");
  test_in_subprocess ("/scale/output/subprocess/child");
}

/* Ten thousand waiting behind a slow first one */

static void
limit (int  resource,
       rlim_t value)
{
  struct rlimit limits = { value, value };

  g_assert_no_errno (setrlimit ((__rlimit_resource_t) resource, &limits));
}

static GString *
expect_lines (int n)
{
  GString *expected = g_string_new ("the first\n");

  for (int i = 0; i < n; i++)
    g_string_append_printf (expected, "line of %d\n", i);
  return expected;
}

static void
run_behind_slow (ParallelBackgroundTaskRunner *runner,
                 int                           n)
{
  g_autofree char *fifo = test_fifo ("fifo");
  g_autoptr (GString) expected = expect_lines (n);
  g_autofree char *printed = NULL;
  GOutputStream *sink = test_capture (runner);

  limit (RLIMIT_NOFILE, 256);
  if (!test_has_sanitizer ())
    limit (RLIMIT_DATA, 256 * MIB);
  parallel_background_task_runner_set_max_parallel (runner, 8);
  g_object_unref (test_put_shell (runner, "read x < '%s'; echo the first", fifo));
  for (int i = 0; i < n; i++)
    test_put_int (runner, i);

  /* The limit of a wait is for each thousand of them. */
  for (int i = 1000; i < n + 1000; i += 1000)
    test_wait_until (parallel_background_task_runner_get_n_succeeded (runner) >= (guint64) MIN (i, n));
  printed = test_captured (sink);
  g_assert_cmpstr (printed, ==, "");
  g_clear_pointer (&printed, g_free);
  test_release_fifo (fifo);
  test_close_and_wait (runner);
  printed = test_captured (sink);
  g_assert_true (g_str_equal (printed, expected->str));
  g_assert_finalize_object (runner);
  assert_memory_below (256 * MIB);
}

static void
test_waiting_commands_subprocess (void)
{
  const char * const argv[] = { "/bin/echo", "line of {}", NULL };

  run_behind_slow (parallel_background_task_runner_new (parallel_command_task_new (argv)),
                   (int) scaled (10000));
}

static void
test_waiting_commands (void)
{
  g_test_summary ("10,000 finished commands wait behind a slow one, with 256 descriptors and 256 "
                  "MiB");
  test_in_subprocess ("/scale/waiting/commands/subprocess/child");
}

static gboolean
print_line (ParallelStep  *step,
            GCancellable  *cancellable,
            gpointer       user_data,
            GError       **error)
{
  g_autofree char *line = g_strdup_printf ("line of %d\n", test_get_int (step));

  return parallel_step_write_text (step, line, error);
}

static void
test_waiting_functions_subprocess (void)
{
  run_behind_slow (parallel_background_task_runner_new (
                     parallel_function_task_new (print_line, NULL, NULL)),
                   (int) scaled (100000));
}

static void
test_waiting_functions (void)
{
  g_test_summary ("So do 100,000 finished functions");
  test_in_subprocess ("/scale/waiting/functions/subprocess/child");
}

/* A long line of live output */

static void
test_one_line_subprocess (void)
{
  ParallelBackgroundTaskRunner *runner = test_silent_runner ();
  gint64 size = scaled (300 * MIB);
  g_autoptr (ParallelStep) step = NULL;
  g_autofree char *last_line = NULL;

  step = test_put_shell (runner, "head -c %" G_GINT64_FORMAT " /dev/zero | tr '\\0' x", size);
  test_close_and_wait (runner);
  g_assert_cmpuint (parallel_step_get_output_size (step, PARALLEL_OUTPUT_STREAM_STDOUT), ==,
                    (guint64) size);
  last_line = parallel_step_dup_last_line (step);
  g_assert_cmpuint (strlen (last_line), <=, 500);
  g_assert_finalize_object (runner);
  assert_memory_below (64 * MIB);
}

static void
test_one_line (void)
{
  g_test_summary ("A single line of 300 MiB needs no memory either");
  test_in_subprocess ("/scale/one-line/subprocess/child");
}

/* Many runners */

static void
test_runners (void)
{
  g_test_summary ("Two thousand runs one after the other leave nothing behind");
  for (guint i = 0; i < (guint) scaled (2000); i++)
    {
      g_autoptr (GPtrArray) steps = test_steps_new ();
      g_autoptr (GError) error = NULL;

      g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
      g_ptr_array_add (steps, test_function_step (test_no_op, NULL));
      g_assert_true (parallel_run_steps (steps, 2, FALSE, NULL, &error));
      g_assert_no_error (error);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  test_add ("/scale/million", test_million);
  test_add ("/scale/million/subprocess/child", test_million_subprocess);
  test_add ("/scale/million-passing", test_million_passing);
  test_add ("/scale/million-passing/subprocess/child", test_million_passing_subprocess);
  test_add ("/scale/output", test_output);
  test_add ("/scale/output/subprocess/child", test_output_subprocess);
  test_add ("/scale/waiting/commands", test_waiting_commands);
  test_add ("/scale/waiting/commands/subprocess/child", test_waiting_commands_subprocess);
  test_add ("/scale/waiting/functions", test_waiting_functions);
  test_add ("/scale/waiting/functions/subprocess/child", test_waiting_functions_subprocess);
  test_add ("/scale/one-line", test_one_line);
  test_add ("/scale/one-line/subprocess/child", test_one_line_subprocess);
  test_add ("/scale/runners", test_runners);
  return test_run ();
}
