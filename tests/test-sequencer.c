/* test-sequencer.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "sequencer-support.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

/* Runs the test in a process of its own; FALSE if this is that process. */
static gboolean
run_in_subprocess (void)
{
  if (g_test_subprocess ())
    return FALSE;

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();

  return TRUE;
}

static void
test_window (void)
{
  ParallelWindow window = { 0 };
  int turn;

  parallel_window_finish (&window, 0);
  parallel_window_finish (&window, 1);
  g_assert_cmpuint (window.next, ==, 2);
  g_assert_null (window.slots);

  /* It keeps what it has when it grows and when it wraps around. */
  parallel_window_set (&window, 70, &turn);
  parallel_window_finish (&window, 100000);
  g_assert_cmpuint (window.next, ==, 2);
  g_assert_true (parallel_window_get (&window, 1) == PARALLEL_SLOT_DONE);
  g_assert_null (parallel_window_get (&window, 2));
  g_assert_true (parallel_window_get (&window, 70) == &turn);
  g_assert_true (parallel_window_get (&window, 100000) == PARALLEL_SLOT_DONE);
  g_assert_null (parallel_window_get (&window, 100001));
  g_assert_null (parallel_window_get (&window, G_MAXUINT64));

  for (guint64 i = 99999; i >= 2; i--)
    parallel_window_finish (&window, i);
  g_assert_cmpuint (window.next, ==, 100001);
  g_assert_null (window.slots);

  for (guint64 i = 100001; i < 101000; i += 2)
    {
      parallel_window_finish (&window, i + 1);
      parallel_window_finish (&window, i);
      g_assert_cmpuint (window.next, ==, i + 2);
    }
  g_assert_cmpuint (window.size, ==, 64);

  parallel_window_clear (&window);
}

static void
test_hold (gconstpointer data)
{
  Fixture *fixture = fixture_new (GPOINTER_TO_INT (data));

  parallel_sequencer_set_hold (fixture->sequencer, TRUE);
  add_done (fixture, 0, "0\n", NULL);
  add_done (fixture, 1, "1\n", "1\n");
  g_assert_false (has_printer (fixture));
  assert_description (fixture, "held, 2 steps with output not printed yet");
  parallel_sequencer_set_hold (fixture->sequencer, FALSE);
  await (fixture, fixture->readers[OUT].text->len == strlen ("step0\t0\nstep1\t1\n") ||
                  strcmp (fixture->readers[OUT].text->str, "0\n1\n") == 0);
  await (fixture, fixture->readers[ERR].text->len > 0);

  /* While it is held, even the end does not come; but it does if nothing is left to print. */
  parallel_sequencer_set_hold (fixture->sequencer, TRUE);
  add_done (fixture, 2, "2\n", NULL);
  parallel_sequencer_close (fixture->sequencer, 4);
  parallel_sequencer_done (fixture->sequencer, 3);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  g_assert_cmpuint (fixture->announced[OUT], ==, 4);
  parallel_sequencer_discard (fixture->sequencer, 2);

  if (GPOINTER_TO_INT (data) == PARALLEL_OUTPUT_MODE_TAGGED)
    fixture_end (fixture, "step0\t0\nstep1\t1\n", "step1\t1\n");
  else
    fixture_end (fixture, "0\n1\n", "1\n");
}

static void
test_discard (gconstpointer data)
{
  ParallelOutputMode mode = GPOINTER_TO_INT (data);
  Fixture *fixture = fixture_new (mode);

  parallel_sequencer_set_hold (fixture->sequencer, TRUE);
  add (fixture, 0, TRUE, "halted\n", "halted\n");
  add_done (fixture, 1, "done, and then dropped\n", NULL);
  parallel_sequencer_discard (fixture->sequencer, 0);
  parallel_sequencer_discard (fixture->sequencer, 1);
  parallel_sequencer_discard (fixture->sequencer, 2);
  add_done (fixture, 3, "three\n", NULL);
  parallel_sequencer_set_hold (fixture->sequencer, FALSE);
  parallel_sequencer_close (fixture->sequencer, 4);

  fixture_end (fixture, (mode == PARALLEL_OUTPUT_MODE_TAGGED) ? "step3\tthree\n" : "three\n", "");
}

/* A piece that is on its way is written, and nothing after it. */
static void
test_discard_current (void)
{
  Fixture *fixture = fixture_new_full (PARALLEL_OUTPUT_MODE_ORDERED, FALSE);
  g_autoptr (ParallelOutput) filled = make_filled (fixture, 10 * 1024 * 1024);
  guint64 printed;

  add_outputs (fixture, 0, NULL, TRUE, filled, filled);
  parallel_sequencer_close (fixture->sequencer, 2);
  await (fixture, fixture->announced[OUT] > 0);
  assert_description (fixture, "printing step 0");
  parallel_sequencer_discard (fixture->sequencer, 0);
  parallel_sequencer_discard (fixture->sequencer, 0);
  add_done (fixture, 1, "end", NULL);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  reader_start (&fixture->readers[OUT]);

  fixture_finish (fixture);
  printed = fixture->announced[OUT];
  g_assert_cmpuint (printed, <, 1024 * 1024);
  g_assert_cmpuint (fixture->readers[OUT].text->len, ==, printed);
  g_assert_true (g_str_has_suffix (fixture->readers[OUT].text->str, "xend"));
  g_assert_cmpuint (fixture->announced[ERR], ==, 0);
  fixture_free (fixture);
}

/* One sink fails and the other one goes on, and so does the run. */
static void
test_broken_pipe (gconstpointer data)
{
  ParallelOutputMode mode = GPOINTER_TO_INT (data);
  Fixture *fixture = fixture_new_full (mode, FALSE);
  g_autoptr (ParallelOutput) filled = make_filled (fixture, 1024 * 1024);

  /* The default action, which is the end of the program. */
  signal (SIGPIPE, SIG_DFL);
  reader_start (&fixture->readers[ERR]);
  close_end (&fixture->readers[OUT], 0);

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (ParallelOutput) err = make_output (fixture, "err\n");

      add_outputs (fixture, i, "step", TRUE, filled, err);
      parallel_sequencer_done (fixture->sequencer, i);
    }
  parallel_sequencer_close (fixture->sequencer, 3);

  fixture_finish (fixture);
  g_assert_cmpuint (fixture->errors->len, ==, 1);
  g_assert_error ((GError *) fixture->errors->pdata[0], G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  g_assert_cmpuint (fixture->announced[OUT], ==, 3 * 1024 * 1024);
  g_assert_cmpstr (fixture->readers[ERR].text->str, ==,
                   (mode == PARALLEL_OUTPUT_MODE_TAGGED) ? "step\terr\nstep\terr\nstep\terr\n"
                                                         : "err\nerr\nerr\n");
  fixture_free (fixture);
}

/* One sink for both streams fails once. */
static void
test_broken_stream (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  g_autoptr (GOutputStream) stream = g_memory_output_stream_new (NULL, 0, NULL, NULL);
  g_autoptr (ParallelSink) sink = parallel_sink_new_for_stream (stream);

  parallel_sequencer_set_sinks (fixture->sequencer, sink, sink);
  parallel_sequencer_set_keep_alive (fixture->sequencer, 0.001);
  add (fixture, 0, TRUE, "out", "err");
  await (fixture, fixture->announced[ERR] > 0);
  parallel_sequencer_close (fixture->sequencer, 1);
  parallel_sequencer_done (fixture->sequencer, 0);
  fixture_finish (fixture);
  g_assert_cmpuint (fixture->errors->len, ==, 1);
  g_assert_cmpuint (fixture->announced[OUT], ==, 3);
  g_assert_cmpuint (fixture->announced[ERR], ==, 3);
  fixture_free (fixture);
}

static void
test_no_thread (void)
{
  guint n_threads = count_threads ();
  Fixture *fixture;

  if (run_in_subprocess ())
    return;

  fixture = fixture_new_full (PARALLEL_OUTPUT_MODE_ORDERED, FALSE);
  for (guint i = 0; i < 1000; i++)
    parallel_sequencer_done (fixture->sequencer, i ^ 1);
  parallel_sequencer_wrote (fixture->sequencer, 1000);
  add (fixture, 1001, TRUE, "never\n", NULL);
  assert_description (fixture, "waiting for step 1000, 1 steps with output not printed yet");
  parallel_sequencer_discard (fixture->sequencer, 1001);
  assert_description (fixture, "idle");
  parallel_sequencer_close (fixture->sequencer, 1002);
  parallel_sequencer_close (fixture->sequencer, 1003);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  parallel_sequencer_done (fixture->sequencer, 1000);
  g_assert_cmpuint (fixture->n_drained, ==, 1);
  g_assert_true (fixture->drained_here);
  g_assert_cmpuint (count_threads (), ==, n_threads);
  parallel_sequencer_abandon (fixture->sequencer);
  fixture_end (fixture, "", "");

  fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  parallel_sequencer_close (fixture->sequencer, 0);
  g_assert_true (fixture->drained_here);
  fixture_end (fixture, "", "");
}

/* The caller may be the one to find that all is done even if there is a thread. */
static void
test_drained_by_caller (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);

  add_done (fixture, 0, "text\n", NULL);
  await_text (fixture, OUT, "text\n");
  await_idle (fixture);
  parallel_sequencer_close (fixture->sequencer, 1);
  g_assert_cmpuint (fixture->n_drained, ==, 1);
  g_assert_true (fixture->drained_here);
  fixture_end (fixture, "text\n", "");
}

/* No thread can have a stack as big as the address space. Only for a process of its own. */
static void
test_thread_failure (void)
{
  const gsize huge = (gsize) 1 << (sizeof (gsize) == 8 ? 47 : 31);
  Fixture *fixture;
  pthread_attr_t attr;

  if (run_in_subprocess ())
    return;

  fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  pthread_attr_init (&attr);
  g_assert_cmpint (pthread_attr_setstacksize (&attr, huge), ==, 0);
  g_assert_cmpint (pthread_setattr_default_np (&attr), ==, 0);
  add_done (fixture, 1, "one\n", NULL);
  add (fixture, 2, TRUE, "two\n", NULL);
  parallel_sequencer_set_keep_alive (fixture->sequencer, 1);
  g_assert_cmpuint (fixture->errors->len, ==, 0);
  add (fixture, 0, TRUE, "zero\n", NULL);
  g_assert_cmpuint (fixture->errors->len, ==, 1);
  add (fixture, 3, TRUE, "three\n", NULL);
  parallel_sequencer_done (fixture->sequencer, 0);
  parallel_sequencer_done (fixture->sequencer, 3);
  parallel_sequencer_close (fixture->sequencer, 4);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  parallel_sequencer_done (fixture->sequencer, 2);
  g_assert_cmpuint (fixture->n_drained, ==, 1);
  fixture_finish (fixture);
  g_assert_cmpuint (fixture->errors->len, ==, 1);
  fixture_free (fixture);
}

/* Whoever is stuck in a sink is not waited for, and touches nothing later. */
static void
test_abandon (gconstpointer data)
{
  Fixture *fixture = fixture_new_full (GPOINTER_TO_INT (data), FALSE);
  g_autoptr (ParallelOutput) filled = make_filled (fixture, 10 * 1024 * 1024);
  guint64 printed;
  char byte;

  for (guint i = 0; i < 3; i++)
    {
      add_outputs (fixture, i, NULL, TRUE, filled, filled);
      parallel_sequencer_done (fixture->sequencer, i);
    }

  /* There is something in the pipe, so that the printer is in the sink, where it stays. */
  g_assert_cmpint (read (fixture->readers[OUT].fds[0], &byte, 1), ==, 1);
  parallel_sequencer_abandon (fixture->sequencer);
  g_assert_cmpuint (fixture->n_drained, ==, 1);
  g_assert_true (fixture->drained_here);
  parallel_sequencer_abandon (fixture->sequencer);
  parallel_sequencer_add (fixture->sequencer, 3, NULL, TRUE,
                          (ParallelOutput *[PARALLEL_N_PARTS]) { filled }, NULL);
  parallel_sequencer_discard (fixture->sequencer, 2);
  parallel_sequencer_close (fixture->sequencer, 4);
  printed = fixture->announced[OUT];
  g_clear_pointer (&fixture->sequencer, parallel_sequencer_unref);
  g_assert_false (fixture->destroyed);

  /* The pipe is let go: an error that nobody is told of. */
  close_end (&fixture->readers[OUT], 0);
  fixture_finish (fixture);
  g_assert_cmpuint (fixture->errors->len, ==, 0);
  g_assert_cmpuint (fixture->announced[OUT], ==, printed);
  g_assert_cmpuint (fixture->announced[ERR], ==, 0);
  fixture_free (fixture);
}

/* What is printed already does not need the printer again, even if it is held. */
static void
test_hold_end (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);

  add (fixture, 0, TRUE, "live\n", NULL);
  await_text (fixture, OUT, "live\n");
  await_idle (fixture);
  parallel_sequencer_set_hold (fixture->sequencer, TRUE);
  add_done (fixture, 1, "", NULL);
  parallel_sequencer_close (fixture->sequencer, 2);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  parallel_sequencer_done (fixture->sequencer, 0);
  g_assert_cmpuint (fixture->n_drained, ==, 1);
  fixture_end (fixture, "live\n", "");
}

/* The drained callback does not come while another one is at work. */
static void
test_abandon_calling (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);

  fixture->abandon = TRUE;
  add (fixture, 0, TRUE, "never", "never");
  await (fixture, fixture->n_drained > 0);
  g_assert_false (fixture->drained_here);
  fixture_end (fixture, "", "");
}

/* Without a close, or anything to print. */
static void
test_abandon_idle (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);

  add_done (fixture, 1, "never\n", NULL);
  parallel_sequencer_abandon (fixture->sequencer);
  assert_description (fixture, "abandoned");
  fixture_end (fixture, "", "");

  /* Nor does one that was never used have an end to report. */
  fixture = fixture_new (PARALLEL_OUTPUT_MODE_FINISHED);
  parallel_sequencer_set_hold (fixture->sequencer, TRUE);
  add_done (fixture, 1, "never\n", NULL);
  g_clear_pointer (&fixture->sequencer, parallel_sequencer_unref);
  g_assert_true (fixture->destroyed);
  g_assert_cmpuint (fixture->n_data, ==, 0);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  fixture->n_drained = 1;
  fixture_end (fixture, "", "");
}

static void
test_random (void)
{
  const guint n = 100000;
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  g_autofree guint32 *order = g_new (guint32, n);
  g_autoptr (GString) expected = g_string_new (NULL);
  gint64 start;

  for (guint i = 0; i < n; i++)
    order[i] = i;
  for (guint i = n - 1; i > 0; i--)
    {
      guint other = g_test_rand_int_range (0, i + 1);
      guint32 value = order[i];

      order[i] = order[other];
      order[other] = value;
    }

  for (guint i = 0; i < n; i += 1000)
    g_string_append_printf (expected, "%u\n", i);

  start = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *text = (order[i] % 1000 == 0) ? g_strdup_printf ("%u\n", order[i]) : NULL;

      if (text != NULL)
        add (fixture, order[i], TRUE, text, NULL);
      parallel_sequencer_done (fixture->sequencer, order[i]);
    }
  g_test_message ("%d ns each", (int) ((g_get_monotonic_time () - start) * 1000 / n));
  parallel_sequencer_close (fixture->sequencer, n);
  fixture_end (fixture, expected->str, "");
}

#define N_THREADS 8
#define N_EACH 200

static gpointer
adder_thread (gpointer data)
{
  Fixture *fixture = ((gpointer *) data)[0];
  guint number = GPOINTER_TO_UINT (((gpointer *) data)[1]);

  for (guint i = 0; i < N_EACH; i++)
    {
      guint index = i * N_THREADS + number;
      g_autoptr (ParallelOutput) out = make_output (fixture, "");

      if (i % 10 != 3)
        {
          g_autofree char *text = g_strdup_printf ("%u\n", index);

          add_outputs (fixture, index, "n", i % 7 != 0, out, NULL);
          append (out, text);
          parallel_sequencer_wrote (fixture->sequencer, index);
          append (out, text);
        }
      if (i % 10 == 4)
        parallel_sequencer_discard (fixture->sequencer, index);
      else
        parallel_sequencer_done (fixture->sequencer, index);
    }

  return NULL;
}

/* Each line twice, or up to twice if it was discarded; in queue order there is only one order. */
static void
test_threads (gconstpointer data)
{
  ParallelOutputMode mode = GPOINTER_TO_INT (data);
  Fixture *fixture = fixture_new (mode);
  GThread *threads[N_THREADS];
  gpointer arguments[N_THREADS][2];
  g_auto (GStrv) lines = NULL;
  g_autofree guint *counts = g_new0 (guint, N_THREADS * N_EACH);
  guint64 last = 0;

  for (guint i = 0; i < N_THREADS; i++)
    {
      arguments[i][0] = fixture;
      arguments[i][1] = GUINT_TO_POINTER (i);
      threads[i] = g_thread_new ("adder", adder_thread, arguments[i]);
    }
  parallel_sequencer_close (fixture->sequencer, N_THREADS * N_EACH);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  fixture_finish (fixture);
  g_assert_cmpuint (fixture->errors->len, ==, 0);
  lines = g_strsplit (fixture->readers[OUT].text->str, "\n", -1);
  for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++)
    {
      const char *digits = lines[i] + (mode == PARALLEL_OUTPUT_MODE_TAGGED ? 2 : 0);
      guint64 index;

      g_assert_true (g_ascii_string_to_unsigned (digits, 10, 0, N_THREADS * N_EACH - 1, &index,
                                                 NULL));
      counts[index]++;
      if (mode == PARALLEL_OUTPUT_MODE_ORDERED)
        g_assert_cmpuint (index, >=, last);
      last = index;
    }

  for (guint i = 0; i < N_THREADS * N_EACH; i++)
    if ((i / N_THREADS) % 10 == 3)
      g_assert_cmpuint (counts[i], ==, 0);
    else if ((i / N_THREADS) % 10 != 4)
      g_assert_cmpuint (counts[i], ==, 2);
    else
      g_assert_cmpuint (counts[i], <=, 2);
  fixture_free (fixture);
}

/* A hundred megabytes while they are written, byte by byte the same. */
static void
test_big (void)
{
  const gsize total = 100 * 1000 * 1000;
  const gsize block = 1000003;
  g_autofree char *pattern = g_malloc (block);
  Fixture *fixture = fixture_new_full (PARALLEL_OUTPUT_MODE_ORDERED, FALSE);
  g_autoptr (ParallelOutput) out = make_output (fixture, "");
  gsize done = 0;

  for (gsize i = 0; i < block; i++)
    pattern[i] = g_test_rand_int ();
  fixture->readers[OUT].pattern = pattern;
  fixture->readers[OUT].pattern_length = block;
  reader_start (&fixture->readers[OUT]);

  add_outputs (fixture, 0, NULL, TRUE, out, NULL);
  while (done < total)
    {
      g_autoptr (GError) error = NULL;
      gsize at = done % block;
      gsize length = MIN (MIN (block - at, total - done), 77777);

      parallel_output_append (out, pattern + at, length, &error);
      g_assert_no_error (error);
      done += length;
      parallel_sequencer_wrote (fixture->sequencer, 0);
    }
  parallel_sequencer_done (fixture->sequencer, 0);
  parallel_sequencer_close (fixture->sequencer, 1);
  fixture_finish (fixture);
  g_assert_cmpuint (fixture->readers[OUT].n_compared, ==, total);
  fixture_free (fixture);
}

/* Adds a test for each of the modes that print. */
static void
add_for_modes (const char        *path,
               GTestDataFunc      function)
{
  const char *names[] = { "ordered", "finished", "tagged" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *full = g_strconcat (path, "/", names[i], NULL);

      g_test_add_data_func (full, GINT_TO_POINTER (i), function);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/sequencer/window", test_window);
  add_for_modes ("/sequencer/hold", test_hold);
  g_test_add_func ("/sequencer/hold/end", test_hold_end);
  add_for_modes ("/sequencer/discard", test_discard);
  g_test_add_func ("/sequencer/discard/current", test_discard_current);
  add_for_modes ("/sequencer/broken-pipe", test_broken_pipe);
  g_test_add_func ("/sequencer/broken-stream", test_broken_stream);
  g_test_add_func ("/sequencer/no-thread", test_no_thread);
  g_test_add_func ("/sequencer/drained-by-caller", test_drained_by_caller);
  g_test_add_func ("/sequencer/thread-failure", test_thread_failure);
  add_for_modes ("/sequencer/abandon", test_abandon);
  g_test_add_func ("/sequencer/abandon/calling", test_abandon_calling);
  g_test_add_func ("/sequencer/abandon/idle", test_abandon_idle);
  g_test_add_func ("/sequencer/random", test_random);
  add_for_modes ("/sequencer/threads", test_threads);
  g_test_add_func ("/sequencer/big", test_big);

  return g_test_run ();
}
