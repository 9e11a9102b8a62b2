/* parallel-output.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-spool.h"
#include "parallel-types.h"

G_BEGIN_DECLS

/* What there is to print of a step, one after the other: its two streams, and what the run notes of
 * it, which goes where its standard error goes. */
#define PARALLEL_N_PARTS   3
#define PARALLEL_PART_NOTE 2

/* What one attempt of a step wrote to one stream: a growing sequence of bytes in a spool.
 *
 * One writer at a time (the caller sees to that), any number of readers in any threads. With a
 * limit, what is over it is either dropped from the middle (the reader sees the first half of the
 * limit, a line "\n[... N bytes left out ...]\n" and the last half) or refused.
 *
 * The readable bytes are always a prefix that does not change any more: under KEEP_ENDS with the
 * limit exceeded the tail becomes readable only with parallel_output_close(). An output of at most
 * the limit reads as it was written.
 *
 * Its extents go back to the spool with the last reference. */
typedef struct _ParallelOutput ParallelOutput;

/* @limit 0: none. */
ParallelOutput *parallel_output_new         (ParallelSpool             *spool,
                                             guint64                    limit,
                                             ParallelOutputLimitPolicy  policy);
ParallelOutput *parallel_output_ref         (ParallelOutput            *self);
void            parallel_output_unref       (ParallelOutput            *self);

/* Appends @data. Under %PARALLEL_OUTPUT_LIMIT_STOP, what fits is kept and the error is
 * PARALLEL_RUN_ERROR_OUTPUT_LIMIT. Other errors are the spool's. */
gboolean        parallel_output_append      (ParallelOutput            *self,
                                             const void                *data,
                                             gsize                      length,
                                             GError                   **error);

/* Appends what the non-blocking pipe @fd has, in one go of bounded size (at most 256 KiB).
 * Returns the number of bytes taken, 0 at the end of the pipe, -1 with G_IO_ERROR_WOULD_BLOCK
 * when the pipe is empty, or with the errors of parallel_output_append(). */
gssize          parallel_output_append_pipe (ParallelOutput            *self,
                                             int                        fd,
                                             GError                   **error);

/* No more is appended; makes the kept tail readable. */
void            parallel_output_close       (ParallelOutput            *self);
gboolean        parallel_output_is_closed   (ParallelOutput            *self);

/* How many bytes can be read now. */
guint64         parallel_output_get_size    (ParallelOutput            *self);

/* How many bytes were written, with those that the limit left out. */
guint64         parallel_output_get_written (ParallelOutput            *self);

/* Reads up to @length bytes at @offset; returns 0 at or after the end, -1 on error. */
gssize          parallel_output_read        (ParallelOutput            *self,
                                             guint64                    offset,
                                             void                      *buffer,
                                             gsize                      length,
                                             GError                   **error);

/* The whole readable output as one GBytes. */
GBytes         *parallel_output_dup_bytes   (ParallelOutput            *self,
                                             GError                   **error);

/* The last lines as valid UTF-8 text (invalid bytes replaced, a final newline dropped), at most
 * @max_bytes and
 * @max_lines; NULL when there is nothing. Also sees a tail that is not readable yet. */
char           *parallel_output_dup_tail    (ParallelOutput            *self,
                                             gsize                      max_bytes,
                                             guint                      max_lines);

/* A stream over the output, seekable, that reports the end of what is readable at the time of
 * each read. */
GInputStream   *parallel_output_open        (ParallelOutput            *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelOutput, parallel_output_unref)

G_END_DECLS
