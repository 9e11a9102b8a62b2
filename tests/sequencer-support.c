/* sequencer-support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "sequencer-support.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <unistd.h>

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

void
reader_start (Reader *self)
{
  self->thread = g_thread_new ("reader", reader_thread, self);
}

void
close_end (Reader *self,
           guint   end)
{
  if (self->fds[end] >= 0)
    g_assert_true (g_close (self->fds[end], NULL));
  self->fds[end] = -1;
}

Fixture *
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

Fixture *
fixture_new (ParallelOutputMode mode)
{
  return fixture_new_full (mode, TRUE);
}

void
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

void
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

void
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

void
append (ParallelOutput *output,
        const char     *text)
{
  g_autoptr (GError) error = NULL;

  parallel_output_append (output, text, strlen (text), &error);
  g_assert_no_error (error);
}

ParallelOutput *
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

ParallelOutput *
make_filled (Fixture *fixture,
             gsize    length)
{
  g_autofree char *text = g_strnfill (length, 'x');

  return make_output (fixture, text);
}

void
add_outputs (Fixture        *fixture,
             guint64         index,
             const char     *name,
             gboolean        live,
             ParallelOutput *out,
             ParallelOutput *err)
{
  ParallelOutput *outputs[PARALLEL_N_PARTS] = { out, err };

  g_mutex_lock (&fixture->mutex);
  fixture->n_data++;
  g_mutex_unlock (&fixture->mutex);

  parallel_sequencer_add (fixture->sequencer, index, name, live, outputs,
                          GUINT_TO_POINTER (index + 1));
}

void
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

void
add_done (Fixture    *fixture,
          guint64     index,
          const char *out_text,
          const char *err_text)
{
  add (fixture, index, TRUE, out_text, err_text);
  parallel_sequencer_done (fixture->sequencer, index);
}

void
assert_description (Fixture    *fixture,
                    const char *expected)
{
  g_autofree char *text = parallel_sequencer_describe (fixture->sequencer);

  g_assert_cmpstr (text, ==, expected);
}

gboolean
has_printer (Fixture *fixture)
{
  gboolean has_thread;

  g_mutex_lock (&fixture->sequencer->mutex);
  has_thread = fixture->sequencer->has_thread;
  g_mutex_unlock (&fixture->sequencer->mutex);

  return has_thread;
}

void
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
