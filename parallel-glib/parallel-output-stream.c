/* parallel-output-stream.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-output-stream.h"

struct _ParallelOutputInputStream
{
  GInputStream    parent_instance;

  /* One operation at a time: GInputStream's pending flag. */
  ParallelOutput *output;     /* NULL once closed */
  guint64         position;   /* may lie after the end, which can still move */
};

static void seekable_iface_init (GSeekableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (ParallelOutputInputStream, parallel_output_input_stream,
                               G_TYPE_INPUT_STREAM,
                               G_IMPLEMENT_INTERFACE (G_TYPE_SEEKABLE, seekable_iface_init))

static void
parallel_output_input_stream_finalize (GObject *object)
{
  ParallelOutputInputStream *self = PARALLEL_OUTPUT_INPUT_STREAM (object);

  g_clear_pointer (&self->output, parallel_output_unref);

  G_OBJECT_CLASS (parallel_output_input_stream_parent_class)->finalize (object);
}

static gssize
parallel_output_input_stream_read (GInputStream  *stream,
                                   void          *buffer,
                                   gsize          count,
                                   GCancellable  *cancellable,
                                   GError       **error)
{
  ParallelOutputInputStream *self = PARALLEL_OUTPUT_INPUT_STREAM (stream);
  gssize n;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return -1;

  n = parallel_output_read (self->output, self->position, buffer, count, error);
  if (n > 0)
    self->position += n;

  return n;
}

static gssize
parallel_output_input_stream_skip (GInputStream  *stream,
                                   gsize          count,
                                   GCancellable  *cancellable,
                                   GError       **error)
{
  ParallelOutputInputStream *self = PARALLEL_OUTPUT_INPUT_STREAM (stream);
  guint64 size;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return -1;

  size = parallel_output_get_size (self->output);
  if (self->position >= size)
    return 0;

  count = MIN (count, size - self->position);
  self->position += count;

  return count;
}

static gboolean
parallel_output_input_stream_close (GInputStream  *stream,
                                    GCancellable  *cancellable,
                                    GError       **error)
{
  ParallelOutputInputStream *self = PARALLEL_OUTPUT_INPUT_STREAM (stream);

  /* A closed stream may live on for long in a language with a garbage collector; the room on the
   * disk should not. */
  g_clear_pointer (&self->output, parallel_output_unref);

  return TRUE;
}

static goffset
parallel_output_input_stream_tell (GSeekable *seekable)
{
  return PARALLEL_OUTPUT_INPUT_STREAM (seekable)->position;
}

static gboolean
parallel_output_input_stream_can_seek (GSeekable *seekable)
{
  return TRUE;
}

static gboolean
parallel_output_input_stream_seek (GSeekable     *seekable,
                                   goffset        offset,
                                   GSeekType      type,
                                   GCancellable  *cancellable,
                                   GError       **error)
{
  ParallelOutputInputStream *self = PARALLEL_OUTPUT_INPUT_STREAM (seekable);
  goffset base = 0;
  goffset position;
  gboolean res = FALSE;

  /* Also fails when the stream is closed, and keeps a read in another thread from moving the
   * position with us. */
  if (!g_input_stream_set_pending (G_INPUT_STREAM (self), error))
    return FALSE;

  if (type == G_SEEK_CUR)
    base = self->position;
  else if (type == G_SEEK_END)
    base = parallel_output_get_size (self->output);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    ;
  else if (__builtin_add_overflow (base, offset, &position) || position < 0)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         "The place to go to lies before the beginning of the output");
  else
    {
      self->position = position;
      res = TRUE;
    }

  g_input_stream_clear_pending (G_INPUT_STREAM (self));

  return res;
}

static gboolean
parallel_output_input_stream_can_truncate (GSeekable *seekable)
{
  return FALSE;
}

static gboolean
parallel_output_input_stream_truncate (GSeekable     *seekable,
                                       goffset        offset,
                                       GCancellable  *cancellable,
                                       GError       **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                       "The output can only be read");

  return FALSE;
}

static void
seekable_iface_init (GSeekableIface *iface)
{
  iface->tell = parallel_output_input_stream_tell;
  iface->can_seek = parallel_output_input_stream_can_seek;
  iface->seek = parallel_output_input_stream_seek;
  iface->can_truncate = parallel_output_input_stream_can_truncate;
  iface->truncate_fn = parallel_output_input_stream_truncate;
}

static void
parallel_output_input_stream_class_init (ParallelOutputInputStreamClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  object_class->finalize = parallel_output_input_stream_finalize;

  stream_class->read_fn = parallel_output_input_stream_read;
  stream_class->skip = parallel_output_input_stream_skip;
  stream_class->close_fn = parallel_output_input_stream_close;
}

static void
parallel_output_input_stream_init (ParallelOutputInputStream *self)
{
}

GInputStream *
parallel_output_input_stream_new (ParallelOutput *output)
{
  ParallelOutputInputStream *self;

  g_return_val_if_fail (output != NULL, NULL);

  self = g_object_new (PARALLEL_TYPE_OUTPUT_INPUT_STREAM, NULL);
  self->output = parallel_output_ref (output);

  return G_INPUT_STREAM (self);
}
