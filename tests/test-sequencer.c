/* test-sequencer.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-sequencer-private.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define OUT PARALLEL_OUTPUT_STREAM_STDOUT
#define ERR PARALLEL_OUTPUT_STREAM_STDERR

/* How long anything that has to happen may take, also under valgrind on a busy machine. */
#define LIMIT (100 * G_USEC_PER_SEC)

/* A sequencer that prints into two pipes, a thread for each that reads it, and a record of what it
 * called. */
typedef struct _Fixture Fixture;

typedef struct
{
  Fixture    *fixture;
  GThread    *thread;
  int         fds[2];         /* the ends of the pipe, -1 when closed */
  GString    *text;           /* guarded by the mutex of the fixture */

  /* Constant: if not NULL, @text stays empty and what comes is compared with this, repeated. */
  const char *pattern;
  gsize       pattern_length;
  guint64     n_compared;
} Reader;

struct _Fixture
{
  ParallelSequencer *sequencer;
  ParallelSpool     *spool;
  GThread           *main_thread;
  Reader             readers[2];
  ParallelSink      *sinks[2];

  GMutex             mutex;
  GCond              cond;

  /* Guarded by mutex. */
  guint              n_drained;
  guint              n_keep_alive;
  guint              n_data;          /* given and not released */
  gboolean           abandon;         /* in the next printing callback */
  gboolean           drained_here;
  gboolean           destroyed;
  gboolean           keep_alive_text;
  guint64            announced[2];
  GString           *announcements;   /* "index:stream:offset+length " of each */
  GPtrArray         *errors;
};

/* Waits, with the mutex held, until the condition is true. */
#define await_locked(fixture, condition)                                                           \
  G_STMT_START {                                                                                   \
    gint64 deadline = g_get_monotonic_time () + LIMIT;                                             \
    while (!(condition))                                                                           \
      if (!g_cond_wait_until (&(fixture)->cond, &(fixture)->mutex, deadline))                      \
        g_error ("%s: did not happen: %s", G_STRLOC, #condition);                                  \
  } G_STMT_END

#define await(fixture, condition)                                                                  \
  G_STMT_START {                                                                                   \
    g_mutex_lock (&(fixture)->mutex);                                                              \
    await_locked (fixture, condition);                                                             \
    g_mutex_unlock (&(fixture)->mutex);                                                            \
  } G_STMT_END

#define await_text(fixture, stream, expected)                                                      \
  await (fixture, strcmp ((fixture)->readers[stream].text->str, expected) == 0)

static void
printing_cb (gpointer              user_data,
             guint64               index,
             gpointer              data,
             ParallelOutput       *output,
             ParallelOutputStream  stream,
             guint64               offset,
             guint64               length)
{
  Fixture *fixture = user_data;
  gboolean abandon;

  g_assert_cmpuint (length, >, 0);
  g_assert_cmpuint (offset + length, <=, parallel_output_get_size (output));

  g_mutex_lock (&fixture->mutex);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  if (data != NULL)
    g_assert_cmpuint (GPOINTER_TO_UINT (data), ==, index + 1);
  fixture->announced[stream] += length;
  if (fixture->announcements->len < 4096)
    g_string_append_printf (fixture->announcements, "%d:%d:%d+%d ", (int) index, (int) stream,
                            (int) offset, (int) length);
  g_cond_broadcast (&fixture->cond);
  abandon = fixture->abandon;
  g_mutex_unlock (&fixture->mutex);

  if (abandon)
    {
      parallel_sequencer_abandon (fixture->sequencer);
      g_assert_cmpuint (fixture->n_drained, ==, 0);
    }
}

static void
release_cb (gpointer user_data,
            gpointer data)
{
  Fixture *fixture = user_data;

  g_assert_nonnull (data);
  g_mutex_lock (&fixture->mutex);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  g_assert_cmpuint (fixture->n_data, >, 0);
  fixture->n_data--;
  g_mutex_unlock (&fixture->mutex);
}

static void
drained_cb (gpointer user_data)
{
  Fixture *fixture = user_data;

  g_mutex_lock (&fixture->mutex);
  fixture->n_drained++;
  g_assert_cmpuint (fixture->n_data, ==, 0);
  fixture->drained_here = (g_thread_self () == fixture->main_thread);
  g_cond_broadcast (&fixture->cond);
  g_mutex_unlock (&fixture->mutex);
}

static void
failed_cb (gpointer  user_data,
           GError   *error)
{
  Fixture *fixture = user_data;

  g_mutex_lock (&fixture->mutex);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  g_ptr_array_add (fixture->errors, error);
  g_cond_broadcast (&fixture->cond);
  g_mutex_unlock (&fixture->mutex);
}

static char *
keep_alive_cb (gpointer user_data)
{
  Fixture *fixture = user_data;
  gboolean text;

  g_mutex_lock (&fixture->mutex);
  g_assert_cmpuint (fixture->n_drained, ==, 0);
  fixture->n_keep_alive++;
  text = fixture->keep_alive_text;
  g_cond_broadcast (&fixture->cond);
  g_mutex_unlock (&fixture->mutex);

  return text ? g_strdup ("still running") : NULL;
}

static void
destroyed_cb (gpointer user_data)
{
  Fixture *fixture = user_data;

  g_mutex_lock (&fixture->mutex);
  fixture->destroyed = TRUE;
  g_cond_broadcast (&fixture->cond);
  g_mutex_unlock (&fixture->mutex);
}

static const ParallelSequencerCallbacks callbacks = {
  .printing = printing_cb,
  .release = release_cb,
  .drained = drained_cb,
  .failed = failed_cb,
  .keep_alive = keep_alive_cb,
};

static gpointer
reader_thread (gpointer data)
{
  Reader *self = data;
  g_autofree char *buffer = g_malloc (1 << 16);
  gssize n;

  while ((n = read (self->fds[0], buffer, 1 << 16)) > 0)
    {
      g_mutex_lock (&self->fixture->mutex);
      if (self->pattern == NULL)
        g_string_append_len (self->text, buffer, n);
      for (gssize i = 0; self->pattern != NULL && i < n; )
        {
          gsize at = (self->n_compared) % self->pattern_length;
          gsize length = MIN ((gsize) (n - i), self->pattern_length - at);

          g_assert_cmpmem (buffer + i, length, self->pattern + at, length);
          self->n_compared += length;
          i += length;
        }
      g_cond_broadcast (&self->fixture->cond);
      g_mutex_unlock (&self->fixture->mutex);
    }

  g_assert_cmpint (n, ==, 0);

  return NULL;
}

static void
reader_start (Reader *self)
{
  self->thread = g_thread_new ("reader", reader_thread, self);
}

static void
close_end (Reader *self,
           guint   end)
{
  if (self->fds[end] >= 0)
    g_assert_true (g_close (self->fds[end], NULL));
  self->fds[end] = -1;
}

/* Without the readers, the pipes fill up. */
static Fixture *
fixture_new_full (ParallelOutputMode mode,
                  gboolean           start_readers)
{
  Fixture *fixture = g_new0 (Fixture, 1);

  g_mutex_init (&fixture->mutex);
  g_cond_init (&fixture->cond);
  fixture->main_thread = g_thread_self ();
  fixture->announcements = g_string_new (NULL);
  fixture->errors = g_ptr_array_new_with_free_func ((GDestroyNotify) g_error_free);
  fixture->spool = parallel_spool_new ();
  fixture->sequencer = parallel_sequencer_new (&callbacks, fixture, destroyed_cb);

  for (guint i = 0; i < 2; i++)
    {
      Reader *reader = &fixture->readers[i];

      g_assert_true (g_unix_open_pipe (reader->fds, FD_CLOEXEC, NULL));
      reader->fixture = fixture;
      reader->text = g_string_new (NULL);
      fixture->sinks[i] = parallel_sink_new_for_fd (reader->fds[1]);
      if (start_readers)
        reader_start (reader);
    }

  parallel_sequencer_set_mode (fixture->sequencer, mode);
  if (mode != PARALLEL_OUTPUT_MODE_NONE)
    parallel_sequencer_set_sinks (fixture->sequencer, fixture->sinks[OUT], fixture->sinks[ERR]);

  return fixture;
}

static Fixture *
fixture_new (ParallelOutputMode mode)
{
  return fixture_new_full (mode, TRUE);
}

/* Lets go of the sequencer and waits until its thread has as well; then all texts are complete. */
static void
fixture_finish (Fixture *fixture)
{
  await (fixture, fixture->n_drained > 0);
  g_clear_pointer (&fixture->sequencer, parallel_sequencer_unref);
  await (fixture, fixture->destroyed);
  g_assert_cmpuint (fixture->n_drained, ==, 1);

  for (guint i = 0; i < 2; i++)
    {
      parallel_sink_unref (fixture->sinks[i]);
      close_end (&fixture->readers[i], 1);
      if (fixture->readers[i].thread == NULL && fixture->readers[i].fds[0] >= 0)
        reader_start (&fixture->readers[i]);
      g_clear_pointer (&fixture->readers[i].thread, g_thread_join);
      close_end (&fixture->readers[i], 0);
    }
}

static void
fixture_free (Fixture *fixture)
{
  for (guint i = 0; i < 2; i++)
    g_string_free (fixture->readers[i].text, TRUE);

  g_string_free (fixture->announcements, TRUE);
  g_ptr_array_unref (fixture->errors);
  parallel_spool_unref (fixture->spool);
  g_mutex_clear (&fixture->mutex);
  g_cond_clear (&fixture->cond);
  g_free (fixture);
}

/* Finishes, and compares all that was printed. */
static void
fixture_end (Fixture    *fixture,
             const char *out,
             const char *err)
{
  fixture_finish (fixture);
  g_assert_cmpuint (fixture->errors->len, ==, 0);
  g_assert_cmpstr (fixture->readers[OUT].text->str, ==, out);
  g_assert_cmpstr (fixture->readers[ERR].text->str, ==, err);
  fixture_free (fixture);
}

static void
append (ParallelOutput *output,
        const char     *text)
{
  g_autoptr (GError) error = NULL;

  parallel_output_append (output, text, strlen (text), &error);
  g_assert_no_error (error);
}

/* An output with @text; NULL for NULL. */
static ParallelOutput *
make_output (Fixture    *fixture,
             const char *text)
{
  ParallelOutput *output;

  if (text == NULL)
    return NULL;

  output = parallel_output_new (fixture->spool, 0, PARALLEL_OUTPUT_LIMIT_KEEP_ENDS);
  append (output, text);

  return output;
}

static ParallelOutput *
make_filled (Fixture *fixture,
             gsize    length)
{
  g_autofree char *text = g_strnfill (length, 'x');

  return make_output (fixture, text);
}

/* As the sequencer's function, with data that says which step it is. */
static void
add_outputs (Fixture        *fixture,
             guint64         index,
             const char     *name,
             gboolean        live,
             ParallelOutput *out,
             ParallelOutput *err)
{
  g_mutex_lock (&fixture->mutex);
  fixture->n_data++;
  g_mutex_unlock (&fixture->mutex);

  parallel_sequencer_add (fixture->sequencer, index, name, live, out, err,
                          GUINT_TO_POINTER (index + 1));
}

/* A step that has written this so far. */
static void
add (Fixture    *fixture,
     guint64     index,
     gboolean    live,
     const char *out_text,
     const char *err_text)
{
  g_autoptr (ParallelOutput) out = make_output (fixture, out_text);
  g_autoptr (ParallelOutput) err = make_output (fixture, err_text);
  g_autofree char *name = g_strdup_printf ("step%d", (int) index);

  add_outputs (fixture, index, name, live, out, err);
}

static void
add_done (Fixture    *fixture,
          guint64     index,
          const char *out_text,
          const char *err_text)
{
  add (fixture, index, TRUE, out_text, err_text);
  parallel_sequencer_done (fixture->sequencer, index);
}

static void
assert_description (Fixture    *fixture,
                    const char *expected)
{
  g_autofree char *text = parallel_sequencer_describe (fixture->sequencer);

  g_assert_cmpstr (text, ==, expected);
}

static gboolean
has_printer (Fixture *fixture)
{
  gboolean has_thread;

  g_mutex_lock (&fixture->sequencer->mutex);
  has_thread = fixture->sequencer->has_thread;
  g_mutex_unlock (&fixture->sequencer->mutex);

  return has_thread;
}

/* Waits until the printer has nothing to do. It tells nobody, so that it has to be asked. */
static void
await_idle (Fixture *fixture)
{
  gint64 deadline = g_get_monotonic_time () + LIMIT;
  gboolean idle = FALSE;

  while (!idle)
    {
      g_mutex_lock (&fixture->sequencer->mutex);
      idle = fixture->sequencer->waiting;
      g_mutex_unlock (&fixture->sequencer->mutex);
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_thread_yield ();
    }
}

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
  parallel_sequencer_add (fixture->sequencer, 3, NULL, TRUE, filled, NULL, NULL);
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

/* With -m perf: how long a step takes that writes nothing. */
static void
test_performance (void)
{
  const guint n = 10000000;
  Fixture *fixture;
  gint64 start;
  double each;

  if (!g_test_perf ())
    {
      g_test_skip ("only with -m perf");
      return;
    }

  fixture = fixture_new (PARALLEL_OUTPUT_MODE_ORDERED);
  start = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    parallel_sequencer_done (fixture->sequencer, i ^ 7);
  parallel_sequencer_close (fixture->sequencer, n);
  each = (g_get_monotonic_time () - start) * 1000.0 / n;
  g_test_minimized_result (each, "%.0f ns each", each);
  fixture_end (fixture, "", "");
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
  add_for_modes ("/sequencer/hold", test_hold);
  g_test_add_func ("/sequencer/hold/end", test_hold_end);
  add_for_modes ("/sequencer/discard", test_discard);
  g_test_add_func ("/sequencer/discard/current", test_discard_current);
  g_test_add_func ("/sequencer/keep-alive/ordered", test_keep_alive);
  g_test_add_func ("/sequencer/keep-alive/finished", test_keep_alive_finished);
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
  g_test_add_func ("/sequencer/performance", test_performance);

  return g_test_run ();
}
