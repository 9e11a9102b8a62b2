/* test-sequencer-modes.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "sequencer-support.h"

#include <unistd.h>

/* Whether the next keep-alive line is asked for within this time. */
static gboolean
keeps_alive_within (Fixture *fixture,
                    gint64   limit)
{
  gint64 deadline = g_get_monotonic_time () + limit;
  gboolean called;
  guint before;

  g_mutex_lock (&fixture->mutex);
  before = fixture->n_keep_alive;
  while (fixture->n_keep_alive == before)
    if (!g_cond_wait_until (&fixture->cond, &fixture->mutex, deadline))
      break;
  called = (fixture->n_keep_alive != before);
  g_mutex_unlock (&fixture->mutex);

  return called;
}

static void
test_ordered (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);

  add_done (fixture, 4, "four\n", NULL);
  add_done (fixture, 3, NULL, "three\n");
  parallel_sequencer_done (fixture->sequencer, 1);
  add_done (fixture, 2, "two, ", "two\n");
  assert_description (fixture, "waiting for step 0, 3 steps with output not printed yet");
  g_assert_false (has_printer (fixture));

  parallel_sequencer_close (fixture->sequencer, 6);
  add_done (fixture, 0, "zero, ", "zero\n");
  await_text (fixture, OUT, "zero, two, four\n");
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  parallel_sequencer_done (fixture->sequencer, 5);

  await (fixture, fixture->n_drained > 0);
  assert_description (fixture, "drained");
  g_assert_cmpstr (fixture->announcements->str, ==,
                   "0:0:0+6 0:1:0+5 2:0:0+5 2:1:0+4 3:1:0+6 4:0:0+5 ");
  fixture_end (fixture, "zero, two, four\n", "zero\ntwo\nthree\n");
}

static void
test_ordered_live (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  g_autoptr (ParallelOutput) out = make_output (fixture, "a");
  g_autoptr (ParallelOutput) err = make_output (fixture, "b");

  add (fixture, 1, TRUE, "other\n", NULL);
  add_outputs (fixture, 0, NULL, TRUE, out, NULL);
  await_text (fixture, OUT, "a");

  /* The other stream may come later, with or without the one that is known. */
  add_outputs (fixture, 0, NULL, TRUE, NULL, err);
  await_text (fixture, ERR, "b");

  append (out, "c");
  parallel_sequencer_wrote (fixture->sequencer, 1);
  parallel_sequencer_wrote (fixture->sequencer, 0);
  await_text (fixture, OUT, "ac");

  /* What comes with the end needs no call of its own. */
  append (out, "d\n");
  parallel_sequencer_done (fixture->sequencer, 0);
  await_text (fixture, OUT, "acd\nother\n");

  parallel_sequencer_done (fixture->sequencer, 1);
  parallel_sequencer_done (fixture->sequencer, 1);
  add_done (fixture, 0, "too late\n", NULL);
  parallel_sequencer_close (fixture->sequencer, 2);
  fixture_end (fixture, "acd\nother\n", "b");
}

/* The fastest of many is no worse than the limit, however busy the machine is. */
static void
test_ordered_latency (void)
{
  Fixture *fixture = fixture_new_full (PARALLEL_OUTPUT_MODE_ORDERED, FALSE);
  g_autoptr (ParallelOutput) out = make_output (fixture, "");
  gint64 fastest = G_MAXINT64;

  add_outputs (fixture, 0, NULL, TRUE, out, NULL);
  for (guint i = 0; i < 100; i++)
    {
      gint64 start = g_get_monotonic_time ();
      char byte;

      append (out, "x");
      parallel_sequencer_wrote (fixture->sequencer, 0);
      g_assert_cmpint (read (fixture->readers[OUT].fds[0], &byte, 1), ==, 1);
      fastest = MIN (fastest, g_get_monotonic_time () - start);
    }
  g_test_message ("%d us", (int) fastest);
  g_assert_cmpint (fastest, <, 20 * 1000);

  parallel_sequencer_done (fixture->sequencer, 0);
  parallel_sequencer_close (fixture->sequencer, 1);
  fixture_end (fixture, "", "");
}

/* A stream is flushed when there is nothing more to print, and before it is all over. */
static void
test_ordered_stream (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) stream = g_buffered_output_stream_new_sized (memory, 1 << 16);
  g_autoptr (ParallelSink) sink = parallel_sink_new_for_stream (stream);
  gpointer held = sink;

  parallel_sequencer_set_sinks (fixture->sequencer, sink, NULL);
  g_clear_pointer (&sink, parallel_sink_unref);
  g_object_add_weak_pointer (G_OBJECT (stream), &held);

  add (fixture, 0, TRUE, "zero", "nowhere");
  parallel_sequencer_done (fixture->sequencer, 0);
  parallel_sequencer_close (fixture->sequencer, 1);
  await (fixture, fixture->n_drained > 0);

  g_assert_cmpmem (g_memory_output_stream_get_data (G_MEMORY_OUTPUT_STREAM (memory)),
                   g_memory_output_stream_get_data_size (G_MEMORY_OUTPUT_STREAM (memory)),
                   "zero", 4);
  g_assert_cmpuint (fixture->announced[ERR], ==, strlen ("nowhere"));

  /* It is not kept longer than needed. */
  g_clear_object (&stream);
  g_assert_null (held);
  fixture_end (fixture, "", "");
}

static void
test_ordered_retried (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  g_autoptr (ParallelOutput) second = make_output (fixture, "second\n");

  /* Another attempt takes the place of the one before, stream by stream... */
  add (fixture, 0, FALSE, "first\n", "first\n");
  g_assert_false (has_printer (fixture));
  add_outputs (fixture, 0, NULL, FALSE, second, NULL);
  parallel_sequencer_wrote (fixture->sequencer, 0);
  g_assert_false (has_printer (fixture));
  parallel_sequencer_done (fixture->sequencer, 0);
  await_text (fixture, OUT, "second\n");

  /* ...or as a whole. The last attempt is live. */
  add (fixture, 1, FALSE, "first\n", "dropped\n");
  parallel_sequencer_retract (fixture->sequencer, 1);
  parallel_sequencer_retract (fixture->sequencer, 2);
  add (fixture, 1, TRUE, "third\n", NULL);
  await_text (fixture, OUT, "second\nthird\n");

  /* What was printed live is printed. */
  add (fixture, 1, TRUE, "fourth\n", NULL);
  await_text (fixture, OUT, "second\nthird\nfourth\n");
  parallel_sequencer_retract (fixture->sequencer, 1);
  add (fixture, 1, TRUE, "fifth\n", NULL);
  g_assert_cmpuint (parallel_sequencer_get_printed (fixture->sequencer), >=, 3);

  parallel_sequencer_close (fixture->sequencer, 2);
  parallel_sequencer_done (fixture->sequencer, 1);
  fixture_end (fixture, "second\nthird\nfourth\nfifth\n", "first\n");
}

static void
test_finished (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_FINISHED);

  add (fixture, 0, TRUE, "zero\n", NULL);
  add (fixture, 1, TRUE, "one\n", "one\n");
  g_assert_false (has_printer (fixture));
  add_done (fixture, 3, "three, ", NULL);
  await_text (fixture, OUT, "three, ");
  add_done (fixture, 2, "two, ", "two, ");
  parallel_sequencer_done (fixture->sequencer, 4);
  parallel_sequencer_done (fixture->sequencer, 1);
  await_text (fixture, OUT, "three, two, one\n");
  parallel_sequencer_close (fixture->sequencer, 5);
  parallel_sequencer_done (fixture->sequencer, 0);
  fixture_end (fixture, "three, two, one\nzero\n", "two, one\n");
}

static void
test_tag_lines (void)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autofree char *full = g_strnfill (PARALLEL_TAGGED_MAX_LINE, 'x');
  g_autofree char *longer = g_strconcat (full, "yy\n", NULL);
  g_autofree char *fitting = g_strconcat (full, "\n", NULL);
  gsize length = strlen (full);

  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "n", "", 0, TRUE), ==, 0);
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "n", "a", 1, FALSE), ==, 0);
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "n", "a\n\nb", 4, FALSE), ==, 3);
  g_assert_cmpstr (lines->str, ==, "n\ta\nn\t\n");
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "n", "b", 1, TRUE), ==, 1);
  g_assert_cmpstr (lines->str, ==, "n\ta\nn\t\nn\tb\n");

  /* As long as a line may be, and one byte longer. */
  g_string_truncate (lines, 0);
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "", full, length, FALSE), ==, 0);
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "", fitting, length + 1, FALSE), ==,
                    length + 1);
  g_assert_cmpuint (lines->len, ==, length + 2);
  g_string_truncate (lines, 0);
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "", longer, length + 1, FALSE), ==,
                    length);
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "", longer, length + 3, FALSE), ==,
                    length + 3);
  g_assert_true (g_str_has_suffix (lines->str, "x\n\tyy\n"));

  /* Not within a character. */
  g_string_truncate (lines, 0);
  memcpy (longer + length - 1, "\xc3\xa4\n", 3);
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "", longer, length + 1, FALSE), ==,
                    length - 1);
  g_string_truncate (lines, 0);
  memset (longer, 0x80, length + 3);
  g_assert_cmpuint (parallel_sequencer_tag_lines (lines, "", longer, length + 3, FALSE), ==,
                    length);
}

static void
test_tagged (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_TAGGED);
  g_autoptr (ParallelOutput) zero = make_output (fixture, "a\nb");
  g_autoptr (ParallelOutput) one = make_output (fixture, "1\n");

  add_outputs (fixture, 1, "one", TRUE, one, NULL);
  await_text (fixture, OUT, "one\t1\n");
  add_outputs (fixture, 0, "zero", TRUE, zero, NULL);
  await_text (fixture, OUT, "one\t1\nzero\ta\n");

  append (one, "2\n");
  parallel_sequencer_wrote (fixture->sequencer, 1);
  await_text (fixture, OUT, "one\t1\nzero\ta\none\t2\n");

  /* Each stream has lines of its own, and one that is not complete waits for its end. */
  await_idle (fixture);
  append (zero, "c\nd");
  add_done (fixture, 2, "out", "err");
  await_text (fixture, ERR, "step2\terr\n");
  await_text (fixture, OUT, "one\t1\nzero\ta\none\t2\nstep2\tout\n");
  parallel_sequencer_wrote (fixture->sequencer, 0);
  await_text (fixture, OUT, "one\t1\nzero\ta\none\t2\nstep2\tout\nzero\tbc\n");

  parallel_sequencer_done (fixture->sequencer, 0);
  parallel_sequencer_close (fixture->sequencer, 3);
  parallel_sequencer_done (fixture->sequencer, 1);
  fixture_end (fixture, "one\t1\nzero\ta\none\t2\nstep2\tout\nzero\tbc\nzero\td\n", "step2\terr\n");
}

/* What may be attempted again waits here as well; a line without an end does not wait for ever. */
static void
test_tagged_waiting (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_TAGGED);
  g_autoptr (ParallelOutput) filled = make_filled (fixture, 3 * PARALLEL_TAGGED_MAX_LINE + 10);
  g_autofree char *line = g_strnfill (PARALLEL_TAGGED_MAX_LINE, 'x');
  g_autofree char *live = g_strdup_printf ("step\t%s\nstep\t%s\nstep\t%s\n", line, line, line);
  g_autofree char *all = g_strdup_printf ("%sstep\txxxxxxxxxx\nstep0\tsecond\n", live);

  add (fixture, 0, FALSE, "first\n", NULL);
  g_assert_false (has_printer (fixture));
  add_outputs (fixture, 1, "step", TRUE, filled, NULL);
  await_text (fixture, OUT, live);
  add (fixture, 0, FALSE, "second", NULL);
  parallel_sequencer_done (fixture->sequencer, 1);
  parallel_sequencer_done (fixture->sequencer, 0);
  parallel_sequencer_close (fixture->sequencer, 2);
  fixture_end (fixture, all, "");
}

static void
test_none (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_NONE);

  add_done (fixture, 1, "four", "five5");
  g_assert_cmpuint (fixture->announced[OUT], ==, 0);
  add (fixture, 0, TRUE, "a", NULL);
  await (fixture, fixture->announced[OUT] == 1);
  parallel_sequencer_done (fixture->sequencer, 0);
  parallel_sequencer_close (fixture->sequencer, 2);
  await (fixture, fixture->n_drained > 0);
  g_assert_cmpstr (fixture->announcements->str, ==, "0:0:0+1 1:0:0+4 1:1:0+5 ");
  fixture_end (fixture, "", "");
}

static void
test_keep_alive (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  g_autoptr (ParallelOutput) out = make_output (fixture, "");

  /* Even before anything was printed; NULL is no line. */
  parallel_sequencer_set_keep_alive (fixture->sequencer, 0.001);
  await (fixture, fixture->n_keep_alive > 3);
  g_assert_cmpuint (fixture->readers[ERR].text->len, ==, 0);

  g_mutex_lock (&fixture->mutex);
  fixture->keep_alive_text = TRUE;
  g_mutex_unlock (&fixture->mutex);
  await (fixture, g_str_has_prefix (fixture->readers[ERR].text->str,
                                    "still running\nstill running\n"));

  /* Not while a line is torn on either stream. What is on the pipe was printed by the thread that
   * would call, so that from then on the number is constant. */
  append (out, "torn");
  add_outputs (fixture, 0, NULL, TRUE, out, NULL);
  await_text (fixture, OUT, "torn");
  g_assert_false (keeps_alive_within (fixture, 50 * 1000));
  append (out, "!\n");
  parallel_sequencer_wrote (fixture->sequencer, 0);
  g_assert_true (keeps_alive_within (fixture, LIMIT));

  /* Not when nothing is unfinished, or held. */
  parallel_sequencer_set_hold (fixture->sequencer, TRUE);
  add_done (fixture, 0, NULL, NULL);
  await_idle (fixture);
  g_assert_false (keeps_alive_within (fixture, 50 * 1000));
  parallel_sequencer_set_hold (fixture->sequencer, FALSE);
  parallel_sequencer_close (fixture->sequencer, 2);
  g_assert_true (keeps_alive_within (fixture, LIMIT));
  parallel_sequencer_set_keep_alive (fixture->sequencer, 0);
  await_idle (fixture);
  g_assert_false (keeps_alive_within (fixture, 50 * 1000));
  parallel_sequencer_done (fixture->sequencer, 1);

  fixture_finish (fixture);
  g_assert_cmpstr (fixture->readers[OUT].text->str, ==, "torn!\n");
  g_assert_true (g_str_has_suffix (fixture->readers[ERR].text->str, "\nstill running\n"));
  fixture_free (fixture);
}

/* Between whole turns, a line that was not ended is. */
static void
test_keep_alive_finished (void)
{
  Fixture *fixture = fixture_new (PARALLEL_OUTPUT_MODE_FINISHED);

  fixture->keep_alive_text = TRUE;
  add_done (fixture, 0, NULL, "unfinished");
  await_text (fixture, ERR, "unfinished");
  parallel_sequencer_set_keep_alive (fixture->sequencer, 0.001);
  await (fixture, g_str_has_prefix (fixture->readers[ERR].text->str,
                                    "unfinished\nstill running\nstill running\n"));
  parallel_sequencer_abandon (fixture->sequencer);
  fixture_finish (fixture);
  fixture_free (fixture);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/sequencer/ordered/order", test_ordered);
  g_test_add_func ("/sequencer/ordered/live", test_ordered_live);
  g_test_add_func ("/sequencer/ordered/latency", test_ordered_latency);
  g_test_add_func ("/sequencer/ordered/stream", test_ordered_stream);
  g_test_add_func ("/sequencer/ordered/retried", test_ordered_retried);
  g_test_add_func ("/sequencer/finished", test_finished);
  g_test_add_func ("/sequencer/tagged/lines", test_tag_lines);
  g_test_add_func ("/sequencer/tagged/live", test_tagged);
  g_test_add_func ("/sequencer/tagged/waiting", test_tagged_waiting);
  g_test_add_func ("/sequencer/none", test_none);
  g_test_add_func ("/sequencer/keep-alive/ordered", test_keep_alive);
  g_test_add_func ("/sequencer/keep-alive/finished", test_keep_alive_finished);

  return g_test_run ();
}
