/* parallel-sink.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "parallel-output.h"

G_BEGIN_DECLS

/* Where printed output goes: a descriptor or a GOutputStream. Used only by the writer thread of
 * a sequencer, which may block in it. */
typedef struct _ParallelSink ParallelSink;

/* @fd stays the caller's and must stay open; it may be blocking or not (EAGAIN is answered by
 * poll). */
ParallelSink *parallel_sink_new_for_fd     (int            fd);
ParallelSink *parallel_sink_new_for_stream (GOutputStream *stream);
ParallelSink *parallel_sink_ref            (ParallelSink  *self);
void          parallel_sink_unref          (ParallelSink  *self);

/* Writes all of @data. SIGPIPE never reaches the program: the thread blocks it. */
gboolean      parallel_sink_write          (ParallelSink  *self,
                                            const void    *data,
                                            gsize          length,
                                            GError       **error);
/* A stream is flushed; a descriptor has nothing to flush. */
gboolean      parallel_sink_flush          (ParallelSink  *self,
                                            GError       **error);
/* Whether the last byte written was a newline, or nothing was written yet. */
gboolean      parallel_sink_at_line_start  (ParallelSink  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ParallelSink, parallel_sink_unref)

G_END_DECLS
