/* parallel-diagnosis.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "parallel-step-private.h"

G_BEGIN_DECLS

/* What a step is doing, as seen from outside: its processes or its thread. */

/* In the engine, once. Takes @text: several lines of valid UTF-8 without a final newline. */
typedef void (*ParallelDiagnosed) (gpointer  user_data,
                                   char     *text);

/* Engine thread only: looks, aside and for 2 s at most, and calls @done. @where is copied; @started
 * is the monotonic time of the attempt's start. @backtraces: with what a debugger shows. */
void  parallel_diagnose         (const ParallelWhereabouts *where,
                                 gint64                     started,
                                 gboolean                   backtraces,
                                 ParallelDiagnosed          done,
                                 gpointer                   user_data);

/* Any thread: a quick look, at nothing that may hang. NULL if there is nothing to see. */
char *parallel_diagnosis_glance (const ParallelWhereabouts *where,
                                 gint64                     started);

G_END_DECLS
