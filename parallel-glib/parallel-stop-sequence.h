/* parallel-stop-sequence.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The signals that a program is sent when it is to stop, and how long it has after each: written as
 * "TERM,200,INT,100,KILL,25", signals by name or number, delays in milliseconds. */

#define PARALLEL_STOP_SEQUENCE_MAX 32

typedef struct
{
  guint n_signals;
  struct
  {
    int    signum;
    gint64 delay;       /* microseconds until the next one */
  } signals[PARALLEL_STOP_SEQUENCE_MAX + 1];
} ParallelStopSequence;

/* Without @text: SIGTERM and, after @grace seconds, SIGKILL. A sequence that does not end with
 * SIGKILL gets it at the end, since every step has to end; where the last delay is missing, it is
 * @grace. G_IO_ERROR_INVALID_ARGUMENT if @text is none. */
gboolean parallel_stop_sequence_parse (const char            *text,
                                       double                 grace,
                                       ParallelStopSequence  *sequence,
                                       GError               **error);

/* "SIGTERM", or "signal 64" where it has no name. */
char    *parallel_stop_signal_name    (int                    signum);

G_END_DECLS
