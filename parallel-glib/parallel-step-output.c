/* parallel-step-output.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-step-private.h"

#include <string.h>

/* What a step writes, and how it is read back. */

#define TAIL_BYTES      2000    /* of the output of a step, for its error */
#define TAIL_LINES      10
#define LAST_LINE_BYTES 500

static gboolean
write_bytes (ParallelStep          *self,
             ParallelOutputStream   stream,
             const void            *data,
             gsize                  length,
             GError               **error)
{
  g_autoptr (ParallelOutput) output = NULL;
  gboolean written;

  parallel_fork_begin_work ();
  output = parallel_step_dup_stream (self, stream);
  if (output == NULL)
    {
      parallel_fork_end_work ();
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                           "Only a step that is running can write output");
      return FALSE;
    }

  g_mutex_lock (&self->write_mutex);
  written = parallel_output_append (output, data, length, error);
  g_mutex_unlock (&self->write_mutex);

  parallel_step_wrote (self, stream);
  parallel_fork_end_work ();
  return written;
}

/**
 * parallel_step_write:
 * @self: a running step
 * @stream: where to
 * @bytes: what to write
 * @error: return location for an error
 *
 * Writes output, any bytes: for the code of function and asynchronous steps. It is printed in the
 * step's turn, as the output of a program would be. May be called from any thread.
 *
 * Returns: %TRUE, or %FALSE if the step is not running (%G_IO_ERROR_CLOSED), is over its output
 *   limit (%PARALLEL_RUN_ERROR_OUTPUT_LIMIT), or the temporary file cannot be written
 */
gboolean
parallel_step_write (ParallelStep          *self,
                     ParallelOutputStream   stream,
                     GBytes                *bytes,
                     GError               **error)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), FALSE);
  g_return_val_if_fail (stream <= PARALLEL_OUTPUT_STREAM_STDERR, FALSE);
  g_return_val_if_fail (bytes != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return write_bytes (self, stream, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
}

/**
 * parallel_step_write_text:
 * @self: a running step
 * @text: what to write; a newline is not added
 * @error: return location for an error
 *
 * Writes text to the step's standard output, as [method@Step.write] does. May be called from any
 * thread.
 *
 * Returns: %TRUE, or %FALSE with the errors of [method@Step.write]
 */
gboolean
parallel_step_write_text (ParallelStep  *self,
                          const char    *text,
                          GError       **error)
{
  g_return_val_if_fail (PARALLEL_IS_STEP (self), FALSE);
  g_return_val_if_fail (text != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return write_bytes (self, PARALLEL_OUTPUT_STREAM_STDOUT, text, strlen (text), error);
}

/* A reference to the output of the last attempt, or NULL if it wrote nothing. */
static ParallelOutput *
dup_written (ParallelStep         *self,
             ParallelOutputStream  stream)
{
  LOCKED_GETTER (self, ParallelOutput *,
                 self->outputs[stream] != NULL && !parallel_step_is_foreign (self) ?
                 parallel_output_ref (self->outputs[stream]) : NULL);
}

/**
 * parallel_step_get_output_size:
 * @self: a step
 * @stream: which output
 *
 * How much can be read of the output of the last attempt so far. May be called from any thread.
 *
 * Returns: bytes
 */
guint64
parallel_step_get_output_size (ParallelStep         *self,
                               ParallelOutputStream  stream)
{
  g_autoptr (ParallelOutput) output = NULL;

  g_return_val_if_fail (PARALLEL_IS_STEP (self), 0);
  g_return_val_if_fail (stream <= PARALLEL_OUTPUT_STREAM_STDERR, 0);

  output = dup_written (self, stream);
  return output != NULL ? parallel_output_get_size (output) : 0;
}

/**
 * parallel_step_dup_output:
 * @self: a step
 * @stream: which output
 * @error: return location for an error
 *
 * Reads the output of the last attempt so far into memory. With merged streams all of it is
 * standard output. It can be read as long as the step is alive. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): the bytes, or %NULL if the temporary file cannot be read
 */
GBytes *
parallel_step_dup_output (ParallelStep          *self,
                          ParallelOutputStream   stream,
                          GError               **error)
{
  g_autoptr (ParallelOutput) output = NULL;

  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);
  g_return_val_if_fail (stream <= PARALLEL_OUTPUT_STREAM_STDERR, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  output = dup_written (self, stream);
  return output != NULL ? parallel_output_dup_bytes (output, error) : g_bytes_new (NULL, 0);
}

/**
 * parallel_step_open_output:
 * @self: a step
 * @stream: which output
 *
 * Opens the output of the last attempt for reading. The stream is seekable and independent of all
 * others; at its end it can be read again when the step has written more. May be called from any
 * thread.
 *
 * Returns: (transfer full): a stream
 */
GInputStream *
parallel_step_open_output (ParallelStep         *self,
                           ParallelOutputStream  stream)
{
  g_autoptr (ParallelOutput) output = NULL;

  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);
  g_return_val_if_fail (stream <= PARALLEL_OUTPUT_STREAM_STDERR, NULL);

  output = dup_written (self, stream);
  return output != NULL ? parallel_output_open (output) : g_memory_input_stream_new ();
}

/**
 * parallel_step_dup_output_tail:
 * @self: a step
 *
 * The last lines that the step wrote, to its standard error if it wrote there, else to its standard
 * output: at most 10 lines and 2000 bytes. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): valid UTF-8 without a final newline, or %NULL if there is
 *   none
 */
char *
parallel_step_dup_output_tail (ParallelStep *self)
{
  ParallelOutput *outputs[PARALLEL_N_PARTS];
  char *tail = NULL;

  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  parallel_step_dup_outputs (self, outputs);
  if (outputs[PARALLEL_OUTPUT_STREAM_STDERR] != NULL)
    tail = parallel_output_dup_tail (outputs[PARALLEL_OUTPUT_STREAM_STDERR], TAIL_BYTES, TAIL_LINES);
  if (tail == NULL && outputs[PARALLEL_OUTPUT_STREAM_STDOUT] != NULL)
    tail = parallel_output_dup_tail (outputs[PARALLEL_OUTPUT_STREAM_STDOUT], TAIL_BYTES, TAIL_LINES);
  for (guint i = 0; i < PARALLEL_N_PARTS; i++)
    g_clear_pointer (&outputs[i], parallel_output_unref);

  return tail;
}

static ParallelOutputStream
get_last_stream (ParallelStep *self)
{
  LOCKED_GETTER (self, ParallelOutputStream, self->last_stream);
}

/**
 * parallel_step_dup_last_line: (get-property last-line)
 * @self: a step
 *
 * The last line that the step wrote, to whichever stream, cut to 500 bytes. May be called from any
 * thread.
 *
 * Returns: (transfer full) (nullable): valid UTF-8 without a newline, or %NULL if there is none
 */
char *
parallel_step_dup_last_line (ParallelStep *self)
{
  g_autoptr (ParallelOutput) output = NULL;

  g_return_val_if_fail (PARALLEL_IS_STEP (self), NULL);

  output = dup_written (self, get_last_stream (self));
  return output != NULL ? parallel_output_dup_tail (output, LAST_LINE_BYTES, 1) : NULL;
}
